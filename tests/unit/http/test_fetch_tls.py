"""TLS is verified, unless a person says otherwise of a host."""

import shutil
import subprocess

import pytest
from fetching import BODY, Fetching, Held
from harness.upstream import Upstream, redirect

from pixi_mirror.errors import FetchError, MachineError

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates")


def openssl(*arguments, cwd):
    subprocess.run(["openssl", *arguments], cwd=cwd, check=True, capture_output=True)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A private CA with a certificate for 127.0.0.1, one for another address, and one that is over."""
    home = tmp_path_factory.mktemp("authority")
    new = ("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    # Python 3.13 checks strictly: a CA must say what its key is for.
    usage = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
    openssl(*new, "-x509", "-subj", "/CN=CA", "-keyout", "ca.key", "-out", "ca.pem", "-days", "9", *usage, cwd=home)
    for name, address, days in (("right", "127.0.0.1", "9"), ("other", "127.0.0.9", "9"), ("over", "127.0.0.1", "-1")):
        openssl(*new, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr", cwd=home)
        (home / "san").write_text(f"subjectAltName=IP:{address}\nauthorityKeyIdentifier=keyid\n")
        signing = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "san")
        if days == "-1":
            (home / "index.txt").write_text("")
            (home / "ca.cnf").write_text(
                "[ca]\ndefault_ca=c\n[c]\ndatabase=index.txt\nnew_certs_dir=.\nserial=ca.srl\n"
                "default_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n"
            )
            dates = ("-startdate", "20200101000000Z", "-enddate", "20200102000000Z")
            ca = ("ca", "-batch", "-config", "ca.cnf", "-cert", "ca.pem", "-keyfile", "ca.key", "-extfile", "san")
            openssl(*ca, *dates, "-notext", "-in", f"{name}.csr", "-out", f"{name}.pem", cwd=home)
        else:
            openssl("x509", "-req", "-in", f"{name}.csr", *signing, "-out", f"{name}.pem", "-days", days, cwd=home)
    return home


@pytest.fixture
def secure(authority, request):
    name = getattr(request, "param", "right")
    with Upstream(tls=(authority / f"{name}.pem", authority / f"{name}.key")) as server:
        server.put("/a", BODY)
        yield server


def test_a_server_is_trusted_by_the_authority_in_the_ca_file(secure, authority):
    with Fetching(ca_file=authority / "ca.pem") as fetching:
        assert fetching.get(secure.url + "/a") == BODY
        assert fetching.get(secure.url + "/a") == BODY
    assert fetching.heard.warnings == []
    assert len({request.client for request in secure.requests}) == 1


def test_an_unknown_authority_is_refused_at_once(secure):
    sink = Held()
    with Fetching() as fetching:
        error = fetching.failure(secure.url + "/a", sink=sink)
    assert isinstance(error, FetchError)
    assert "not trusted" in str(error)
    assert "--ca-file" in str(error)
    assert sink.data == b""
    assert secure.requests == []
    assert fetching.heard.notes == []


@pytest.mark.parametrize("secure", ["other", "over"], indirect=True)
def test_a_certificate_for_another_address_or_time_is_refused(secure, authority):
    with Fetching(ca_file=authority / "ca.pem") as fetching:
        assert "not trusted" in str(fetching.failure(secure.url + "/a"))
    assert secure.requests == []


def test_no_variable_of_the_environment_switches_the_check_off(secure, authority, monkeypatch):
    monkeypatch.setenv("PYTHONHTTPSVERIFY", "0")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority / "ca.pem"))
    monkeypatch.setenv("CURL_CA_BUNDLE", "")
    with Fetching() as fetching:
        assert "not trusted" in str(fetching.failure(secure.url + "/a"))


@pytest.mark.parametrize("by_port", [False, True])
def test_a_host_that_is_named_is_not_checked_and_that_is_said_once(secure, by_port):
    host = secure.authority if by_port else "127.0.0.1"
    with Fetching(insecure_hosts=frozenset({host})) as fetching:
        assert fetching.get(secure.url + "/a") == BODY
        assert fetching.get(secure.url + "/a") == BODY
    assert len(fetching.heard.warnings) == 1
    assert secure.authority in fetching.heard.warnings[0]


def test_another_insecure_host_does_not_help(secure):
    with Fetching(insecure_hosts=frozenset({"127.0.0.2", "127.0.0.1:1"})) as fetching:
        assert "not trusted" in str(fetching.failure(secure.url + "/a"))


def test_verification_off_is_off_for_all_and_said(secure):
    with Fetching(verify_tls=False) as fetching:
        assert fetching.get(secure.url + "/a") == BODY
    assert len(fetching.heard.warnings) == 1


def test_a_redirect_from_https_to_http_is_refused(secure, authority, upstream):
    upstream.put("/b", BODY)
    url = secure.script("/a", redirect(upstream.url + "/b"))
    with Fetching(ca_file=authority / "ca.pem") as fetching:
        assert "from https to plain http" in str(fetching.failure(url))
    assert upstream.requests == []


def test_a_ca_file_that_is_none_is_named(tmp_path, upstream):
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("no certificate")
    for file in (nonsense, tmp_path / "missing.pem"):
        with Fetching(ca_file=file) as fetching:
            error = fetching.failure(upstream.url + "/a")
        assert isinstance(error, MachineError)
        assert str(file) in str(error)


def test_a_server_that_speaks_no_tls_is_a_fetch_error(upstream):
    with Fetching(retries=0) as fetching:
        assert "TLS failed" in str(fetching.failure(upstream.url.replace("http:", "https:") + "/a"))
