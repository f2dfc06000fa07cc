"""An SFTP server that receives one expected upload of an office at a time, and nothing else."""
