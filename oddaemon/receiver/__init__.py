"""Where offices upload to: an SFTP server of our own that takes one expected file at a time and nothing else."""

from oddaemon.receiver.drop import (
    Drop,
    Receiver,
    Target,
    UploadMisnamedError,
    UploadMissingError,
    UploadRefusedError,
    UploadTooLargeError,
    UploadUnstorableError,
)
from oddaemon.receiver.sftp import ReceiverError, SftpReceiver, Terms

__all__ = [
    "Drop",
    "Receiver",
    "ReceiverError",
    "SftpReceiver",
    "Target",
    "Terms",
    "UploadMisnamedError",
    "UploadMissingError",
    "UploadRefusedError",
    "UploadTooLargeError",
    "UploadUnstorableError",
]
