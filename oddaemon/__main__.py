"""python -m oddaemon."""

from oddaemon.cli import main

if __name__ == "__main__":
    main()
