"""Kubeconfigs of the kinds that people have."""

import base64
import os
import stat
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from homeostat.cluster import connection, kubernetes
from homeostat.cluster.connection import load_connection
from homeostat.reconcile.errors import EngineUnavailable, InvalidSettings


def kubeconfig(path: Path, user: dict[str, Any], cluster: dict[str, Any] | None = None, name: str = "one") -> Path:
    document = {
        "current-context": name,
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": "churn"}}],
        "clusters": [{"name": name, "cluster": {"server": "https://api.example.org:6443/", **(cluster or {})}}],
        "users": [{"name": name, "user": user}],
    }
    path.write_text(yaml.safe_dump(document))
    return path


def plugin(tmp_path: Path, script: str, version: str = "client.authentication.k8s.io/v1") -> Path:
    program = tmp_path / "sign-in"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    command = {"apiVersion": version, "command": str(program), "env": [{"name": "WHO", "value": "ada"}]}
    return kubeconfig(tmp_path / "config", {"exec": command})


def test_a_token_and_data_in_the_file(tmp_path: Path) -> None:
    data = base64.b64encode(b"PEM").decode()
    found = load_connection(str(kubeconfig(tmp_path / "c", {"token": "t"}, {"certificate-authority-data": data})))
    assert (found.server, found.namespace, found.authority) == ("https://api.example.org:6443", "churn", "PEM")
    assert found.credentials.token() == "t"


def test_paths_are_of_the_file_that_names_them(tmp_path: Path) -> None:
    for name in ("ca", "crt", "key"):
        (tmp_path / name).write_text(name)
    user = {"client-certificate": "crt", "client-key": "key"}
    found = load_connection(str(kubeconfig(tmp_path / "c", user, {"certificate-authority": "ca"})))
    assert (found.authority, found.certificate, found.key) == ("ca", "crt", "key")
    assert found.credentials.token() is None
    assert "key='key'" not in repr(found)


def test_of_several_files_the_first_that_gives_a_name_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = kubeconfig(tmp_path / "first", {"token": "first"})
    second = kubeconfig(tmp_path / "second", {"token": "second"}, name="two")
    monkeypatch.setenv("KUBECONFIG", f"{first}{os.pathsep}{second}{os.pathsep}{tmp_path / 'absent'}")
    assert load_connection().credentials.token() == "first"
    assert load_connection(context="two").credentials.token() == "second"
    with pytest.raises(InvalidSettings, match="no context 'three'; it has: one, two"):
        load_connection(context="three")


def test_an_exec_plugin_is_run_again_when_its_token_expires_or_is_rejected(tmp_path: Path) -> None:
    script = """echo run >> "$0.runs"
printf '{"status": {"token": "%s-%s", "expirationTimestamp": "2020-01-01T00:00:00Z"}}' "$WHO" "$(wc -l < "$0.runs")" """
    found = load_connection(str(plugin(tmp_path, script))).credentials
    assert [found.token(), found.token()] == ["ada-1", "ada-2"]
    lasting = script.replace("2020", str(datetime.now(UTC).year + 1))
    found = load_connection(str(plugin(tmp_path, lasting))).credentials
    assert [found.token(), found.token()] == ["ada-3", "ada-3"]
    found.rejected()
    assert found.token() == "ada-4"


def test_an_exec_plugin_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match="sign-in failed: log in first"):
        load_connection(str(plugin(tmp_path, "echo log in first >&2; exit 1"))).credentials.token()
    with pytest.raises(EngineUnavailable, match="printed no ExecCredential"):
        load_connection(str(plugin(tmp_path, "echo hello"))).credentials.token()
    with pytest.raises(InvalidSettings, match=r"exec\.apiVersion"):
        load_connection(str(plugin(tmp_path, "", "client.authentication.k8s.io/v1alpha1")))


def test_what_cannot_be_used_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="set KUBECONFIG"):
        load_connection(str(tmp_path / "absent"))
    with pytest.raises(InvalidSettings, match="exec plugin"):
        load_connection(str(kubeconfig(tmp_path / "c", {"auth-provider": {"name": "gcp"}})))


@pytest.fixture
def in_a_pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a pod's ServiceAccount."""
    for name, text in (("token", "pod"), ("ca.crt", "CA"), ("namespace", "churn\n")):
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(connection, "SERVICE_ACCOUNT", tmp_path)
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "6443")
    return tmp_path


@pytest.mark.usefixtures("in_a_pod")
def test_a_pod_reaches_its_api_server_without_the_proxy_that_leads_out_of_the_cluster(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.org:3128")
    inside = replace(load_connection(), authority=None)
    assert kubernetes._pool(inside).proxy is None
    assert kubernetes._pool(replace(inside, proxy=None)).proxy is not None


def test_a_pod_uses_its_service_account_unless_a_kubeconfig_is_named(
    in_a_pod: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = load_connection()
    assert (found.server, found.namespace, found.authority) == ("https://[fd00::1]:6443", "churn", "CA")
    (in_a_pod / "token").write_text("replaced")
    assert found.credentials.token() == "replaced"
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(in_a_pod / "c", {"token": "named"})))
    assert load_connection().credentials.token() == "named"
