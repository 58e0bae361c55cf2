"""Finding HDFS by Hadoop's own files and variables, and the sentence for each way in which they lead nowhere."""

import os
import shutil
import socket
import struct
import time
import weakref

import pytest
from hdfs_native import Client

from sparkcv import storage
from sparkcv.errors import AccessError, FullError, StorageError, UnavailableError, UsageError
from sparkcv.storage.clients import open_fs
from sparkcv.storage.hadoop import HadoopConf, load_conf
from sparkcv.storage.hdfs import identity, tokens
from sparkcv.storage.hdfs.address import find
from sparkcv.storage.hdfs.bounded_calls import submit
from sparkcv.storage.hdfs.errors import CredentialError, KdcError, TransientError, from_native
from sparkcv.storage.hdfs.retry import Outage

VARIABLES = ("HADOOP_CONF_DIR", "HADOOP_HOME", "HADOOP_TOKEN_FILE_LOCATION", "HADOOP_USER_NAME", "SPARK_USER")


@pytest.fixture(autouse=True)
def _no_hadoop(monkeypatch, tmp_path):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPARKCV_STORAGE_WAIT_S", "1")


def write_conf(folder, core="", **hdfs):
    """Write a configuration; ``core`` is fs.defaultFS, ``hdfs`` has its properties with _ for each dot."""
    folder.mkdir(parents=True, exist_ok=True)
    row = "<property><name>{}</name><value>{}</value></property>".format
    default = row("fs.defaultFS", core) if core else ""
    rows = "".join(row(name.replace("__", "-").replace("_", "."), value) for name, value in hdfs.items())
    (folder / "core-site.xml").write_text(f"<configuration>{default}</configuration>")
    (folder / "hdfs-site.xml").write_text(f"<?xml version='1.0'?><configuration>{rows}</configuration>")
    return folder


@pytest.fixture
def conf(tmp_path, monkeypatch):
    folder = write_conf(tmp_path / "conf", "hdfs://default", dfs_nameservices="default, other",
                        dfs_ha_namenodes_default="nn1", dfs_namenode_rpc__address_default_nn1="127.0.0.1:1",
                        dfs_namenode_rpc__address_other="127.0.0.1:2")  # fmt: skip
    monkeypatch.setenv("HADOOP_CONF_DIR", str(folder))
    return folder


# ---- where the configuration is


def test_without_hadoop_there_is_nothing_to_hand_on():
    assert storage.hadoop_environment() == {}


def test_a_child_gets_absolute_paths_and_the_user(conf, monkeypatch):
    monkeypatch.setenv("HADOOP_CONF_DIR", "conf")
    monkeypatch.setenv("HADOOP_TOKEN_FILE_LOCATION", "container_tokens")
    monkeypatch.setenv("SPARK_USER", "me")
    assert storage.hadoop_environment() == {
        "HADOOP_CONF_DIR": str(conf),
        "HADOOP_TOKEN_FILE_LOCATION": str(conf.parent / "container_tokens"),
        "HADOOP_USER_NAME": "me",
    }
    monkeypatch.setenv("HADOOP_USER_NAME", "other")
    assert storage.hadoop_environment()["HADOOP_USER_NAME"] == "other"


def test_a_container_of_yarn_has_the_configuration_in_its_working_folder(tmp_path, monkeypatch):
    write_conf(tmp_path / "__spark_conf__/__hadoop_conf__")
    assert storage.hadoop_environment() == {"HADOOP_CONF_DIR": str(tmp_path / "__spark_conf__/__hadoop_conf__")}
    monkeypatch.setenv("HADOOP_CONF_DIR", "/etc/hadoop of the NodeManager's host, not of this one")
    assert storage.hadoop_environment() == {"HADOOP_CONF_DIR": str(tmp_path / "__spark_conf__/__hadoop_conf__")}
    write_conf(tmp_path / "mine")
    monkeypatch.setenv("HADOOP_CONF_DIR", str(tmp_path / "mine"))
    assert storage.hadoop_environment() == {"HADOOP_CONF_DIR": str(tmp_path / "mine")}


def test_hadoop_home_is_looked_at_last(tmp_path, monkeypatch):
    write_conf(tmp_path / "home/etc/hadoop")
    monkeypatch.setenv("HADOOP_HOME", str(tmp_path / "home"))
    assert storage.hadoop_environment() == {"HADOOP_CONF_DIR": str(tmp_path / "home/etc/hadoop")}


# ---- what it says


def test_values_may_hold_variables_and_files_may_include_others(tmp_path, monkeypatch):
    folder = write_conf(tmp_path / "conf", "hdfs://${cluster}", cluster="c-${user.name}-${env.ZONE}", loop="${loop}")
    (folder / "more.xml").write_text(
        "<configuration><property><name>more</name><value> 1 </value></property></configuration>"
    )
    (folder / "core-site.xml").write_text(
        '<configuration xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="more.xml"/>'
        "<property><name>fs.defaultFS</name><value>hdfs://${cluster}</value></property></configuration>"
    )
    monkeypatch.setenv("HADOOP_CONF_DIR", str(folder))
    monkeypatch.setenv("HADOOP_USER_NAME", "me")
    monkeypatch.setenv("ZONE", "west")
    values = load_conf().values
    assert values["fs.defaultFS"] == "hdfs://c-me-west"
    assert values["more"] == "1"
    assert values["loop"] == "${loop}"
    assert load_conf().folder == str(folder)


def test_a_changed_file_is_read_again(conf):
    assert load_conf().name_services == ["default", "other"]
    write_conf(conf, "hdfs://new")
    os.utime(conf / "hdfs-site.xml", ns=(1, 1))
    assert load_conf().name_services == []


def test_a_damaged_configuration_is_told_with_its_file(conf):
    (conf / "hdfs-site.xml").write_text("<configuration><property>")
    with pytest.raises(StorageError, match=r"cannot read Hadoop's configuration '.*/conf/hdfs-site.xml': .*line 1"):
        storage.exists("hdfs://default/x")


# ---- which cluster a URL names


def test_no_such_name_service(conf):
    sentence = (
        r"cannot open 'hdfs://nosuch/x': 'nosuch' is neither a host nor a name service of the Hadoop configuration"
        r" '.*/conf', which knows 'default', 'other'"
    )
    with pytest.raises(StorageError, match=sentence):
        storage.exists("hdfs://nosuch/x")


def test_no_configuration_at_all():
    sentence = (
        r"cannot open 'hdfs://default/x': where 'default' is cannot be known, as no Hadoop configuration was found;"
        r" set HADOOP_CONF_DIR to the folder that holds core-site.xml and hdfs-site.xml"
    )
    with pytest.raises(StorageError, match=sentence):
        storage.exists("hdfs://default/x")
    with pytest.raises(
        StorageError, match=r"cannot open 'hdfs:///x': it names no cluster, .*none was found \(set HADOOP_"
    ):
        storage.exists("hdfs:///x")


def test_no_default_file_system(conf):
    write_conf(conf)
    with pytest.raises(
        StorageError, match=r"'hdfs:///x': it names no cluster, and fs.defaultFS is not set in .*/conf'"
    ):
        storage.exists("hdfs:///x")
    write_conf(conf, "viewfs://all")
    with pytest.raises(StorageError, match=r"'hdfs:///x': it names no cluster, and fs.defaultFS is 'viewfs://all' in"):
        storage.exists("hdfs:///x")


@pytest.mark.parametrize(
    ("url", "namenode"),
    [
        ("hdfs://default/x", "127.0.0.1:1"),
        ("hdfs:///x", "127.0.0.1:1"),
        ("hdfs://other/x", "127.0.0.1:2"),
        ("hdfs://127.0.0.1:3/x", "127.0.0.1:3"),
        ("hdfs://127.0.0.1/x", "127.0.0.1:8020"),
    ],
)
def test_a_namenode_that_refuses_is_named_after_the_wait(conf, url, namenode):
    with pytest.raises(
        UnavailableError, match=rf"'{url}': hdfs://\S+ does not answer \(connection refused by {namenode}\)"
    ):
        storage.exists(url)


def test_a_host_that_is_not_known_is_no_matter_of_waiting(conf):
    with pytest.raises(
        StorageError, match=r"cannot look at 'hdfs://no-such-host.invalid:8020/x': its host is not known"
    ):
        storage.exists("hdfs://no-such-host.invalid:8020/x")


def test_a_namenode_that_is_silent_is_named_after_the_wait(conf):
    with socket.create_server(("127.0.0.1", 0)) as server:
        place = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(
            UnavailableError, match=rf"does not answer \({place} accepts connections; nothing came within"
        ):
            storage.exists(f"hdfs://{place}/x")
        with pytest.raises(UnavailableError, match=rf"cannot make .*{place} accepts connections"):
            storage.write_bytes(f"hdfs://{place}/x", b"")


@pytest.mark.parametrize("wait", ["soon", "-1", "nan", "inf"])
def test_a_wait_that_is_no_number_of_seconds(conf, monkeypatch, wait):
    monkeypatch.setenv("SPARKCV_STORAGE_WAIT_S", wait)
    with pytest.raises(UsageError, match=f"SPARKCV_STORAGE_WAIT_S is '{wait}', wanted the seconds to wait"):
        storage.exists("hdfs://default/x")


# ---- on real daemons


@pytest.fixture
def namenode(hdfs, monkeypatch):
    """``host:port`` of the shared cluster's NameNode, with no variable that leads to it; its folder is (url)."""
    monkeypatch.setenv("SPARKCV_STORAGE_WAIT_S", "60")
    places = load_conf().namenodes("default")
    return places["nn1"]


@pytest.mark.hadoop
def test_the_configuration_of_a_container_leads_to_hdfs(namenode, hdfs, tmp_path, monkeypatch):
    shutil.copytree(os.environ["HADOOP_CONF_DIR"], tmp_path / "__spark_conf__/__hadoop_conf__")
    monkeypatch.delenv("HADOOP_CONF_DIR")
    storage.write_bytes(f"{hdfs}/x", b"1")
    assert storage.read_bytes(f"{hdfs}/x") == b"1"


@pytest.mark.hadoop
def test_another_cluster_is_reached_by_its_full_address_or_its_own_name(namenode, hdfs, conf):
    storage.write_bytes(
        hdfs.replace("hdfs://default", f"hdfs://{namenode}") + "/x", b"1"
    )  # "default" leads nowhere here
    write_conf(conf, "hdfs://default", dfs_nameservices="default,far", dfs_namenode_rpc__address_far=namenode)
    assert storage.read_bytes(hdfs.replace("hdfs://default", "hdfs://far") + "/x") == b"1"


@pytest.mark.hadoop
def test_new_files_are_made_as_the_configuration_says(namenode, hdfs, conf, tmp_path, monkeypatch):
    raw = Client(f"hdfs://{namenode}")
    far = hdfs.replace("hdfs://default", f"hdfs://{namenode}")
    path = hdfs.removeprefix("hdfs://default")
    storage.write_bytes(f"{far}/a/usual", b"1")
    made = raw.get_file_info(f"{path}/a/usual")
    assert (made.replication, made.blocksize, made.permission) == (1, 64 << 20, 0o644)
    assert raw.get_file_info(f"{path}/a").permission == 0o755
    mine = write_conf(tmp_path / "mine", dfs_replication="2", dfs_blocksize="2m", fs_permissions_umask__mode="027")
    monkeypatch.setenv("HADOOP_CONF_DIR", str(mine))
    storage.write_bytes(f"{far}/b/mine", b"1")
    made = raw.get_file_info(f"{path}/b/mine")
    assert (made.replication, made.blocksize, made.permission) == (2, 2 << 20, 0o640)
    assert raw.get_file_info(f"{path}/b").permission == 0o750


# ---- tokens


def number(value):
    """Write a small number as Hadoop's WritableUtils.writeVLong does."""
    if -112 <= value <= 127:
        return struct.pack("b", value)
    data = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return struct.pack("b", -112 - len(data)) + data


def field(data):
    return number(len(data)) + data


def identifier(max_date_s):
    people = b"".join(field(name) for name in (b"me", b"yarn", b""))
    return b"\0" + people + b"".join(number(value) for value in (1, int(max_date_s * 1000), 5, 2))


def token_file(path, service, max_date_s, kind=b"HDFS_DELEGATION_TOKEN"):
    token = [b"alias", identifier(max_date_s), b"password", kind, service.encode()]
    path.write_bytes(b"HDTS\0" + number(1) + b"".join(field(part) for part in token) + number(0))
    return str(path)


def protobuf_token_file(path, service, max_date_s):
    def part(index, data):
        return bytes([index << 3 | 2, len(data)]) + data

    token = part(1, identifier(max_date_s)) + part(2, b"password") + part(3, b"HDFS_DELEGATION_TOKEN")
    entry = part(1, b"alias") + part(2, token + part(4, service.encode()))
    message = part(1, entry)
    path.write_bytes(b"HDTS\1" + bytes([len(message) | 0x80, len(message) >> 7]) + message)
    return str(path)


@pytest.mark.parametrize("write", [token_file, protobuf_token_file])
def test_a_token_file_is_read_in_both_of_hadoops_forms(tmp_path, write):
    path = write(tmp_path / "tokens", "ha-hdfs:default", 1_800_000_000.0)
    (token,) = tokens.load(path)
    assert token == tokens.Token("HDFS_DELEGATION_TOKEN", "ha-hdfs:default", identifier(1_800_000_000.0), b"password")
    assert (token.owner, token.renewer, token.issued_s, token.max_date_s) == ("me", "yarn", 0.001, 1_800_000_000.0)
    assert "password" not in repr(token)
    assert tokens.parse(tokens.dump([token])) == [token]


def test_a_token_by_the_address_of_a_namenode_is_found_by_its_names_too(tmp_path):
    values = {"dfs.nameservices": "default", "dfs.namenode.rpc-address.default": "localhost:8020"}
    (token,) = tokens.load(token_file(tmp_path / "tokens", "127.0.0.1:8020", 4e9))
    other = tokens.Token("kms-dt", "kms", b"", b"")
    found = tokens.aliased([token, other], HadoopConf("/conf", values))
    assert {one.service for one in found} == {"127.0.0.1:8020", "localhost:8020", "ha-hdfs:default"}
    assert {one.password for one in found} == {b"password"}
    assert tokens.aliased([other], HadoopConf("/conf", values)) == []
    found = tokens.aliased([token], HadoopConf("/conf", {"fs.defaultFS": "hdfs://localhost:8020/"}))
    assert {one.service for one in found} == {"127.0.0.1:8020", "localhost:8020"}


@pytest.mark.parametrize("default", ["hdfs://localhost", "hdfs://localhost/", "HDFS://localhost"])
def test_a_token_is_found_by_the_name_of_a_host_without_a_port(tmp_path, monkeypatch, default):
    """As Java writes it for such a fs.defaultFS; hdfs-native asks for the host with Hadoop's own port."""
    path = token_file(tmp_path / "tokens", "127.0.0.1:8020", 4e9)
    found = tokens.aliased(tokens.load(path), HadoopConf("/conf", {"fs.defaultFS": default}))
    assert {one.service for one in found} == {"127.0.0.1:8020", "localhost:8020"}
    (tmp_path / "tokens").write_bytes(tokens.dump(found))
    monkeypatch.setenv("HADOOP_TOKEN_FILE_LOCATION", path)
    assert identity.service_of(find("hdfs://localhost", HadoopConf(None, {})).url) == "localhost:8020"
    assert identity.mine("hdfs://localhost").service == "localhost:8020"
    assert identity.ends_s("hdfs://localhost") == 4e9 - 60


def test_a_token_is_found_by_the_name_of_a_host_in_capitals(tmp_path):
    """Java writes names in lower case, where hadoop.security.token.service.use_ip is false."""
    held = tokens.load(token_file(tmp_path / "tokens", "namenode.test:8020", 4e9))
    found = tokens.aliased(held, HadoopConf("/conf", {"fs.defaultFS": "hdfs://NameNode.test:8020"}))
    assert {one.service for one in found} == {"namenode.test:8020", "NameNode.test:8020"}


@pytest.mark.parametrize("write", [token_file, protobuf_token_file])
def test_a_token_file_that_was_cut_is_refused_wherever_it_was_cut(tmp_path, write):
    path = tmp_path / "tokens"
    write(path, "ha-hdfs:default", 1_800_000_000.0)
    whole = path.read_bytes()
    for size in range(len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match=r"it is cut short|it does not begin with HDTS"):
            tokens.load(str(path))


def advice_of(monkeypatch, path):
    monkeypatch.setenv("HADOOP_TOKEN_FILE_LOCATION", path)
    return identity.advice("no mechanism", "hdfs://default")


def test_the_advice_names_the_token_file_and_what_is_wrong_with_it(tmp_path, monkeypatch):
    monkeypatch.setenv("KRB5_CONFIG", str(tmp_path / "krb5.conf"))
    monkeypatch.setenv("KRB5CCNAME", str(tmp_path / "cache"))
    monkeypatch.setenv("HADOOP_USER_NAME", "me")
    (tmp_path / "krb5.conf").write_text("[libdefaults]\n  default_realm = HERE.TEST\n")
    assert identity.advice("no mechanism", "hdfs://default") == (
        "hdfs://default does not accept this process's credentials (no mechanism): there is neither a Kerberos ticket"
        f" of me@HERE.TEST in FILE:{tmp_path}/cache nor a delegation token (HADOOP_TOKEN_FILE_LOCATION is not set);"
        " run kinit me@HERE.TEST, or submit the job with --principal me@HERE.TEST --keytab FILE"
    )
    path = tmp_path / "tokens"
    damaged = f"the token file '{path}' of HADOOP_TOKEN_FILE_LOCATION cannot be read: "
    assert f"{damaged}No such file or directory; submit the job again" in advice_of(monkeypatch, str(path))
    path.write_bytes(b"garbage")
    assert f"{damaged}it does not begin with HDTS; submit" in advice_of(monkeypatch, str(path))
    token_file(path, "ha-hdfs:other", 4e9)
    assert "holds no token for ha-hdfs:default (it holds tokens for HDFS: ha-hdfs:other of me)" in advice_of(
        monkeypatch, str(path)
    )
    token_file(path, "ha-hdfs:default", 4e9, kind=b"kms-dt")
    assert "it holds tokens for HDFS: none" in advice_of(monkeypatch, str(path))
    token_file(path, "ha-hdfs:default", 1e9)
    assert "the token of me for ha-hdfs:default in " in advice_of(monkeypatch, str(path))
    assert "ends at 2001-09-0" in advice_of(monkeypatch, str(path))
    token_file(path, "ha-hdfs:default", 4e9)
    assert "has expired or was cancelled; submit the job again" in advice_of(monkeypatch, str(path))


def test_a_damaged_token_file_is_told_before_anything_is_asked(conf, tmp_path, monkeypatch):
    write_conf(conf, "hdfs://default", hadoop_security_authentication="kerberos", dfs_ha_namenodes_default="nn1",
               dfs_namenode_rpc__address_default_nn1="127.0.0.1:1")  # fmt: skip
    (tmp_path / "tokens").write_bytes(b"HDTS\0\1\5al")
    monkeypatch.setenv("HADOOP_TOKEN_FILE_LOCATION", str(tmp_path / "tokens"))
    with pytest.raises(
        AccessError, match=r"cannot look at .*: the token file '.*tokens' of .* cannot be read: it is cut"
    ):
        storage.exists("hdfs://default/x")
    (tmp_path / "tokens").unlink()  # then a ticket of Kerberos may do
    with pytest.raises(UnavailableError, match="connection refused"):
        storage.exists("hdfs://default/x")


def rpc_error(kind, java_class, words):
    return f'{kind}("org.apache.hadoop.security.{java_class}", "{words}\\n\\tat org.apache.hadoop.ipc.X(X.java:1)")'


NO_CREDENTIALS = (
    'GSSAPIError(GssMajorCodes { raw: "0x00070000", calling_error: "none", routine_error: "GSS_S_NO_CRED",'
    ' supplementary_info: "0x0000" }, 2529639053, "No credentials were supplied, or the credentials were unavailable or'
    ' inaccessible: No Kerberos credentials available (default cache: FILE:/tmp/krb5cc_0)")'
)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            rpc_error("FatalRPCError", "token.SecretManager$InvalidToken", "Token  has expired, current time: 2026"),
            "Token has expired, current time: 2026",
        ),
        (
            rpc_error("FatalRPCError", "token.SecretManager$InvalidToken", "Token can't be found in cache"),
            "Token can't be found in cache",
        ),
        (
            rpc_error("RPCError", "AccessControlException", "SIMPLE authentication is not enabled.  Available:[TOKEN]"),
            "SIMPLE authentication is not enabled. Available:[TOKEN]",
        ),
        (
            NO_CREDENTIALS,
            "No credentials were supplied, or the credentials were unavailable or inaccessible: No Kerberos credentials"
            " available (default cache: FILE:/tmp/krb5cc_0)",
        ),
        ("NoSASLMechanism", "no way to prove who this is that both sides know"),
    ],
)
def test_each_way_to_be_refused_for_ones_credentials_is_an_error_of_access(said, told):
    error = from_native(RuntimeError(said))
    assert isinstance(error, CredentialError)
    assert (error.kind, error.text) == (AccessError, told)


@pytest.mark.parametrize(
    ("java_class", "words", "error"),
    [
        (
            "hdfs.protocol.FSLimitException$MaxDirectoryItemsExceededException",
            "The directory item limit of /run is exceeded: limit=1048576 items=1048576",
            (FullError, "The directory item limit of /run is exceeded: limit=1048576 items=1048576"),
        ),
        (
            "hdfs.server.namenode.NotReplicatedYetException",
            "Not replicated yet: /run/model.ckpt-50.data-00000-of-00001",
            (UnavailableError, "does not take the data"),
        ),
    ],
)
def test_what_a_namenode_refuses_is_full_or_worth_another_try(java_class, words, error):
    found = from_native(RuntimeError(f'RPCError("org.apache.hadoop.{java_class}", "{words}")'))
    assert (found.kind, found.text) == error
    assert isinstance(found, TransientError) == (error[0] is UnavailableError)


def test_an_outage_that_comes_and_goes_with_each_file_is_logged_as_seldom_as_one_that_stays():
    outage, told = Outage(), []
    for now_s in range(30):
        if outage.seen(0.0, now_s):
            told.append(now_s)
        assert outage.began(now_s) >= now_s - 1  # who begins now has the whole wait
        assert outage.over(now_s) is None  # another file was read, which says nothing of this one
    assert told == [2, 12, 22]


def test_an_outage_that_lasts_is_shared_by_all_and_told_when_it_is_over():
    outage = Outage()
    told = [now_s for now_s in range(30) if outage.seen(now_s / 2, now_s)]
    assert told == [2, 12, 22]
    assert outage.began(29) == 0
    assert outage.over(30) == 30
    assert (outage.began(31), outage.over(31)) == (31, None)


def test_what_a_call_gave_is_not_kept_until_the_next_call():
    class Bytes:
        pass

    call = submit(Bytes)
    assert call.wait(60)
    given = weakref.ref(call.result)
    del call
    deadline_s = time.monotonic() + 3  # below the time after which an idle thread ends
    while given() is not None:
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def gss(words):
    said = f"Unspecified GSS failure.  {words}"
    return RuntimeError(f'GSSAPIError(GssMajorCodes {{ raw: "0x000d0000" }}, 2529639068, "{said}")')


def test_a_kdc_that_is_gone_may_come_back_and_a_library_that_is_missing_does_not():
    error = from_native(gss("Minor code may provide more information: Cannot contact any KDC for realm 'HERE.TEST'"))
    assert isinstance(error, KdcError)
    assert (error.kind, error.reason) == (UnavailableError, "Cannot contact any KDC for realm 'HERE.TEST'")
    missing = from_native(RuntimeError('OperationFailed("Failed to load libgssapi_krb")'))
    assert missing.kind is StorageError
    assert "libgssapi_krb5.so.2 is not installed here; install krb5-libs" in missing.text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            "Server nn/host@HERE.TEST not found in Kerberos database",
            "the KDC of realm HERE.TEST does not know this HDFS, whose dfs.namenode.kerberos.principal is not set; run"
            " kinit with a principal of HDFS's realm",
        ),
        (
            "Cannot find KDC for realm \"HERE.TEST\"",
            "krb5.conf names no KDC for realm HERE.TEST of me@HERE.TEST; add it under [realms], then run kinit"
            " me@HERE.TEST",
        ),
        (
            "Clock skew too great",
            "the clocks of this machine and of realm HERE.TEST differ by more than 300 s, for me@HERE.TEST; set this"
            " machine's (chronyc makestep), then run kinit me@HERE.TEST",
        ),
    ],
)  # fmt: skip
def test_what_kerberos_says_is_told_with_principal_realm_and_what_to_run(words, said, tmp_path, monkeypatch):
    monkeypatch.setenv("KRB5_CONFIG", str(tmp_path / "krb5.conf"))
    monkeypatch.setenv("KRB5CCNAME", str(tmp_path / "cache"))
    monkeypatch.setenv("HADOOP_USER_NAME", "me")
    monkeypatch.delenv("HADOOP_CONF_DIR", raising=False)
    (tmp_path / "krb5.conf").write_text("[libdefaults]\n  default_realm = HERE.TEST\n")
    assert identity.advice(words, "hdfs://default").endswith(f"({words}): {said}")


def test_empty_names_in_a_path_are_dropped_as_hadoops_own_commands_do(conf):
    assert open_fs("hdfs://default//user//me/x/")[1] == "/user/me/x"
    assert open_fs("hdfs:///")[1] == "/"


@pytest.mark.parametrize(
    ("value", "zone", "wanted"),
    [
        ("${env.ZONE-b}", "a", "a"),
        ("${env.ZONE-b}", None, "b"),
        ("${env.ZONE-b}", "", ""),
        ("${env.ZONE:-b}", "a", "a"),
        ("${env.ZONE:-nn-1.b}", "", "nn-1.b"),
        ("${env.ZONE:-b}", None, "b"),
        ("${env.ZONE}", None, "${env.ZONE}"),
    ],
)
def test_a_variable_of_the_environment_may_have_a_default(tmp_path, monkeypatch, value, zone, wanted):
    monkeypatch.setenv("HADOOP_CONF_DIR", str(write_conf(tmp_path / "conf", "hdfs://default", place=value)))
    monkeypatch.delenv("ZONE", raising=False)
    if zone is not None:
        monkeypatch.setenv("ZONE", zone)
    assert load_conf().values["place"] == wanted
