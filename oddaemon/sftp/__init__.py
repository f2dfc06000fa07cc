"""An SFTP server that receives one expected upload of an office at a time, and nothing else."""

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
