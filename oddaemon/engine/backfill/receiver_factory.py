"""Creates the SFTP receiver from its settings."""

from oddaemon.settings.tables.sections import SftpSettings
from oddaemon.settings.values.url import split_listen
from oddaemon.sftp.receiver import ReceiverOptions, SftpReceiver


def create_receiver(sftp: SftpSettings) -> SftpReceiver | None:
    """The receiver. None: it is disabled."""
    if not sftp.is_on or sftp.host_key is None or sftp.directory is None:
        return None
    host, port = split_listen(sftp.listen)
    return SftpReceiver(ReceiverOptions(host=host, port=port, **sftp.model_dump(exclude={"listen"})))
