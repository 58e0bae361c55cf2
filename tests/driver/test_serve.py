"""What `sparkcv serve` says before it takes a port."""

import datetime
import logging
import os

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sparkcv.config import ServeConfig
from sparkcv.driver.serve import _AccessHandler, prepare
from sparkcv.errors import UsageError


@pytest.mark.parametrize(
    ("host", "key", "is_warned"),
    [
        ("0.0.0.0", None, True),
        ("127.0.0.1", None, False),
        ("0.0.0.0", "admin_key_file", False),
        ("0.0.0.0", "api_key_file", False),  # the service answers admin calls by 403 then
    ],
)
def test_admin_calls_are_said_to_be_open_only_where_they_are(tmp_path, caplog, host, key, is_warned):
    model = tmp_path / "models" / "colors" / "1"
    model.mkdir(parents=True)
    (model / "model.json").write_text("{}")
    (tmp_path / "key").write_text("a-key-0123456789\n")
    (tmp_path / "key").chmod(0o600)
    keys = {key: str(tmp_path / "key")} if key else {}
    prepare(ServeConfig(models_dir=str(tmp_path / "models"), host=host, engine="tf", **keys))
    assert ("admin calls are open to whoever reaches" in caplog.text) is is_warned


def test_a_key_with_a_passphrase_is_refused_and_nobody_is_asked_for_it(tmp_path):
    model = tmp_path / "models" / "colors" / "1"
    model.mkdir(parents=True)
    (model / "model.json").write_text("{}")
    private = ec.generate_private_key(ec.SECP256R1())
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    key.write_bytes(private.private_bytes(*form, serialization.BestAvailableEncryption(b"secret")))
    name, now = x509.Name([]), datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder(name, name, private.public_key(), 1, now, now + datetime.timedelta(days=1))
    cert.write_bytes(made.sign(private, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    given = {"tls_cert_file": str(cert), "tls_key_file": str(key)}
    with pytest.raises(UsageError, match="it wants a passphrase, wanted a key without one"):
        prepare(ServeConfig(models_dir=str(tmp_path / "models"), engine="tf", **given))


def test_an_access_log_that_nobody_reads_is_told_once(caplog, capfd):
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w", buffering=1) as stream:
        handler = _AccessHandler(stream)
        for line in ("first", "second"):
            handler.handle(logging.makeLogRecord({"msg": line}))
        with open(os.devnull, "w") as null:
            os.dup2(null.fileno(), writing)  # what is left in the buffer has somewhere to go
    said = [record.getMessage() for record in caplog.records]
    assert said == ["lines of the access log are lost, standard output fails: [Errno 32] Broken pipe"]
    assert "Traceback" not in capfd.readouterr().err
