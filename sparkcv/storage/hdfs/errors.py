"""Read what hdfs-native raises, which is a NameNode's exception as text with a Java stack, as what went wrong."""

from __future__ import annotations

import re

from sparkcv.errors import AccessError, FullError, StorageError, UnavailableError
from sparkcv.storage.translate import FileSystemError

_KIND = re.compile(r'(\w+)(?:\((?:"([\w.$]+)", )?"?(.*))?', re.DOTALL)  # Rust's way to show an error
_JAVA_STACK = re.compile(r"(?:\\n|\n)(?:\\t|\t)at .*", re.DOTALL)
_OS_ERROR = re.compile(r" \(os error \d+\)$")

_STANDBY = {"StandbyException", "ObserverRetryOnActiveException"}
_BUSY = {"RetriableException", "ServerTooBusyException"}
_FULL = {
    "DSQuotaExceededException", "NSQuotaExceededException", "QuotaByStorageTypeExceededException",
    "QuotaExceededException", "ClusterStorageCapacityExceededException",
    "FSLimitException$MaxDirectoryItemsExceededException",
}  # fmt: skip
_TOKEN = {"SecretManager$InvalidToken", "InvalidToken", "SaslException", "RpcServerException"}


class TransientError(FileSystemError):
    """An error that may be over in a while and is worth a retry.

    Attributes:
        text: what the store does or does not do.
        reason: why, "" if it is not known.
    """

    def __init__(self, text: str, reason: str = "") -> None:
        super().__init__(UnavailableError, text)
        self.reason = reason


class KdcError(TransientError):
    """The KDC does not answer, so that nobody can log in now; ``reason`` is what Kerberos said."""

    def __init__(self, reason: str) -> None:
        super().__init__("lets nobody log in", reason)


class CredentialError(FileSystemError):
    """HDFS refuses the credentials of this process."""

    def __init__(self, text: str) -> None:
        super().__init__(AccessError, text)


def from_native(err: BaseException) -> BaseException:
    """Return the error that an exception of hdfs-native stands for: a builtin one, or a FileSystemError.

    One that may be over in a while is a TransientError.
    """
    text = _JAVA_STACK.sub("", str(err))
    if isinstance(err, FileNotFoundError):
        return IsADirectoryError(text) if "is not a file" in text else err
    if isinstance(err, FileExistsError):
        if "lease" in text:
            return TransientError("lets one client write to a file at a time", "another one has it open")
        return IsADirectoryError(text) if "already exists as a directory" in text else err
    if type(err) is OSError and err.errno is None:
        return _from_network(text)
    if type(err).__name__ == "PanicException":
        return FileSystemError(StorageError, f"hdfs-native broke down: {text}")
    if type(err) is RuntimeError:
        return _from_hdfs(text)
    return err


def _from_network(text: str) -> FileSystemError:
    words = _OS_ERROR.sub("", text)
    if "lookup address" in words and "emporary" not in words:
        return FileSystemError(StorageError, f"its host is not known ({words})")
    return TransientError("does not answer", _as_part(words))


def _from_hdfs(text: str) -> BaseException:
    found = _KIND.match(text)
    kind, java_class, words = found.groups(default="") if found else ("", "", text)
    words = words.removesuffix(")").removesuffix('"').replace('\\"', '"').replace("\\n", " ").strip()
    words = " ".join(words.split())
    if kind in ("RPCError", "FatalRPCError") and java_class:
        return _from_namenode(java_class.rpartition(".")[2], words)
    if kind == "BlocksNotFound" or words.startswith("All DataNodes failed"):
        return TransientError("has no DataNode that gives the data")
    if "Failed to load libgssapi" in words:
        return FileSystemError(
            StorageError,
            "Kerberos's library libgssapi_krb5.so.2 is not installed here; install krb5-libs (or libgssapi-krb5-2)",
        )
    if kind in ("DataTransferError", "OperationFailed"):
        return TransientError("does not take or give the data", words[:200])
    if kind == "ChecksumError":
        return FileSystemError(StorageError, "its data is damaged on HDFS, the checksums differ")
    if kind == "GSSAPIError":  # its last part is the sentence of the Kerberos library
        said = words.rpartition(', "')[2]
        return KdcError(said.rpartition(": ")[2]) if "Cannot contact any KDC" in said else CredentialError(said)
    if kind in ("NoSASLMechanism", "SASLError"):
        return CredentialError(words or "no way to prove who this is that both sides know")
    return FileSystemError(StorageError, f"hdfs-native says {text[:300]}")


def _as_part(words: str) -> str:
    """Lower the first letter of a sentence, so that it can follow a colon; one like that of "RPC" stays."""
    return words if words[1:2].isupper() else words[:1].lower() + words[1:]


def _from_namenode(name: str, words: str) -> BaseException:
    if "is not a directory" in words:  # said by an AccessControlException too
        return NotADirectoryError(words)
    if "safe mode" in words:
        rest = words.partition("safe mode.")[2].partition("NamenodeHostName")[0].strip(" .")
        return TransientError("is in safe mode and takes no writes", rest)
    if name in _STANDBY:
        return TransientError("has no active NameNode")
    if name in _BUSY:
        return TransientError("does not answer", words)
    if name == "NotReplicatedYetException":  # the DataNodes have yet to tell of the block before
        return TransientError("does not take the data", _as_part(words))
    if "could only be written to" in words:
        return TransientError("has no DataNode that takes the data", words[words.find("There are") :])
    if name in _FULL:
        return FileSystemError(FullError, words)
    if name in _TOKEN or "authentication is not enabled" in words:
        return CredentialError(words)
    if name in ("AccessControlException", "AuthorizationException"):
        return FileSystemError(AccessError, _as_part(words))
    if name == "InvalidPathException":
        return FileSystemError(StorageError, "it has a name that this file system does not allow")
    if name in ("LeaseExpiredException", "RecoveryInProgressException"):
        return TransientError("lets one client write to a file at a time", words)
    if name == "PathIsNotEmptyDirectoryException":
        return FileSystemError(StorageError, "the folder is not empty")
    return FileSystemError(StorageError, f"HDFS says {words or name}")
