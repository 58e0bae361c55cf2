"""What `sparkcv serve` says before it takes a port."""

import pytest

from sparkcv.config import ServeConfig
from sparkcv.driver.serve import prepare


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
