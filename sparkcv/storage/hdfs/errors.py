"""What hdfs-native raises, read as what went wrong: it gives NameNodes' exceptions as text with a Java stack."""

from __future__ import annotations

import re

from sparkcv.errors import AccessError, FullError, StorageError, UnavailableError
from sparkcv.storage.translate import TroubleError

_KIND = re.compile(r'(\w+)(?:\((?:"([\w.$]+)", )?"?(.*))?', re.DOTALL)  # Rust's way to show an error
_JAVA_STACK = re.compile(r"(?:\\n|\n)(?:\\t|\t)at .*", re.DOTALL)
_OS_ERROR = re.compile(r" \(os error \d+\)$")

_STANDBY = {"StandbyException", "ObserverRetryOnActiveException"}
_BUSY = {"RetriableException", "ServerTooBusyException"}
_FULL = {
    "DSQuotaExceededException", "NSQuotaExceededException", "QuotaByStorageTypeExceededException",
    "QuotaExceededException", "ClusterStorageCapacityExceededException", "FSLimitException$MaxDirectoryItemsExceeded",
}  # fmt: skip
_TOKEN = {"SecretManager$InvalidToken", "InvalidToken", "SaslException", "RpcServerException"}


class PassingError(TroubleError):
    """A trouble that may be over in a while: what the store does, and the reason if there is one to give."""

    def __init__(self, text: str, reason: str = "") -> None:
        super().__init__(UnavailableError, text)
        self.reason = reason


class KdcError(PassingError):
    """The KDC does not answer, so nobody can log in now; ``reason`` is what Kerberos said."""

    def __init__(self, reason: str) -> None:
        super().__init__("lets nobody log in", reason)


class CredentialError(TroubleError):
    """HDFS does not take this process for the user it says it is."""

    def __init__(self, text: str) -> None:
        super().__init__(AccessError, text)


def explain(err: BaseException) -> BaseException:
    """Return an error of hdfs-native as a builtin one, a TroubleError, or (if passing) a PassingError."""
    text = _JAVA_STACK.sub("", str(err))
    if isinstance(err, FileNotFoundError):
        return IsADirectoryError(text) if "is not a file" in text else err
    if isinstance(err, FileExistsError):
        if "lease" in text:
            return PassingError("lets one client write to a file at a time", "another one has it open")
        return IsADirectoryError(text) if "already exists as a directory" in text else err
    if type(err) is OSError and err.errno is None:
        return _of_the_network(text)
    if type(err).__name__ == "PanicException":
        return TroubleError(StorageError, f"hdfs-native broke down: {text}")
    if type(err) is RuntimeError:
        return _of_hdfs(text)
    return err


def _of_the_network(text: str) -> TroubleError:
    words = _OS_ERROR.sub("", text)
    if "lookup address" in words and "emporary" not in words:
        return TroubleError(StorageError, f"its host is not known ({words})")
    return PassingError("does not answer", _as_part(words))


def _of_hdfs(text: str) -> BaseException:
    found = _KIND.match(text)
    kind, java_class, words = found.groups(default="") if found else ("", "", text)
    words = words.removesuffix(")").removesuffix('"').replace('\\"', '"').replace("\\n", " ").strip()
    words = " ".join(words.split())
    if kind in ("RPCError", "FatalRPCError") and java_class:
        return _of_namenode(java_class.rpartition(".")[2], words)
    if kind == "BlocksNotFound" or words.startswith("All DataNodes failed"):
        return PassingError("has no DataNode that gives the data")
    if "Failed to load libgssapi" in words:
        return TroubleError(
            StorageError,
            "Kerberos's library libgssapi_krb5.so.2 is not installed here; install krb5-libs (or libgssapi-krb5-2)",
        )
    if kind in ("DataTransferError", "OperationFailed"):
        return PassingError("does not take or give the data", words[:200])
    if kind == "ChecksumError":
        return TroubleError(StorageError, "its data is damaged on HDFS, the checksums differ")
    if kind == "GSSAPIError":  # its last part is the sentence of the Kerberos library
        said = words.rpartition(', "')[2]
        return KdcError(said.rpartition(": ")[2]) if "Cannot contact any KDC" in said else CredentialError(said)
    if kind in ("NoSASLMechanism", "SASLError"):
        return CredentialError(words or "no way to prove who this is that both sides know")
    return TroubleError(StorageError, f"hdfs-native says {text[:300]}")


def _as_part(words: str) -> str:
    """Make a sentence the part of one: its first letter small, unless it begins with something like RPC."""
    return words if words[1:2].isupper() else words[:1].lower() + words[1:]


def _of_namenode(name: str, words: str) -> BaseException:
    if "is not a directory" in words:  # said by an AccessControlException too
        return NotADirectoryError(words)
    if "safe mode" in words:
        rest = words.partition("safe mode.")[2].partition("NamenodeHostName")[0].strip(" .")
        return PassingError("is in safe mode and takes no writes", rest)
    if name in _STANDBY:
        return PassingError("has no active NameNode")
    if name in _BUSY:
        return PassingError("does not answer", words)
    if "could only be written to" in words:
        return PassingError("has no DataNode that takes the data", words[words.find("There are") :])
    if name in _FULL:
        return TroubleError(FullError, words)
    if name in _TOKEN or "authentication is not enabled" in words:
        return CredentialError(words)
    if name in ("AccessControlException", "AuthorizationException"):
        return TroubleError(AccessError, _as_part(words))
    if name == "InvalidPathException":
        return TroubleError(StorageError, "it has a name that this file system does not allow")
    if name in ("LeaseExpiredException", "RecoveryInProgressException"):
        return PassingError("lets one client write to a file at a time", words)
    if name == "PathIsNotEmptyDirectoryException":
        return TroubleError(StorageError, "the folder is not empty")
    return TroubleError(StorageError, f"HDFS says {words or name}")
