"""What all outgoing connections share, whichever library makes them."""
