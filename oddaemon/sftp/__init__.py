"""Where offices upload to: an SFTP server of our own that takes one expected file at a time and nothing else."""

from oddaemon.sftp.receiver import ReceiverError, ReceiverOptions, SftpReceiver
from oddaemon.sftp.upload_slot import (
    UploadMisnamedError,
    UploadMissingError,
    UploadReceiver,
    UploadRefusedError,
    UploadSlot,
    UploadTarget,
    UploadTooLargeError,
    UploadUnstorableError,
)

__all__ = [
    "ReceiverError",
    "ReceiverOptions",
    "SftpReceiver",
    "UploadMisnamedError",
    "UploadMissingError",
    "UploadReceiver",
    "UploadRefusedError",
    "UploadSlot",
    "UploadTarget",
    "UploadTooLargeError",
    "UploadUnstorableError",
]
