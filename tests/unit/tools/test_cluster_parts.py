import ipaddress
import itertools
import os
import platform
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store

from tools.cluster import certificates, preflight
from tools.cluster.components import all_components
from tools.cluster.settings import MAX_SLOT, Settings, UserError
from tools.images.build import ready


def a_cluster(state: Path, slot: int = 0) -> Settings:
    return Settings(state, slot, state / "cache")


def test_clusters_of_different_slots_share_no_address() -> None:
    slots = [a_cluster(Path("/state"), slot) for slot in range(MAX_SLOT + 1)]

    for one, other in itertools.combinations(slots, 2):
        assert one.address != other.address
        for mine, theirs in itertools.product(
            (one.link, one.pods, one.services), (other.link, other.pods, other.services)
        ):
            assert not ipaddress.ip_network(mine).overlaps(ipaddress.ip_network(theirs))


def test_names_fit_what_the_kernel_allows_wherever_the_checkout_is() -> None:
    deep = a_cluster(Path("/a") / ("very/" * 40) / "checkout")

    assert len(deep.interface) <= 15
    assert len(str(deep.containerd)) < 108
    assert deep.name != a_cluster(Path("/elsewhere")).name


@pytest.mark.parametrize(
    ("route", "named"),
    [("10.96.128.0/24", "service network"), ("10.244.0.0/14", "pod network"), ("10.199.0.0/30", "link network")],
)
def test_a_route_of_the_host_that_overlaps_is_named(route: str, named: str) -> None:
    routes = [{"dst": "default", "dev": "eth0"}, {"dst": route, "dev": "vpn0"}]

    with pytest.raises(UserError, match=r"overlaps with the route .* dev vpn0") as refused:
        preflight.networks(a_cluster(Path("/state")), routes)

    assert named in str(refused.value)
    assert "HOMEOSTAT_SLOT" in str(refused.value)


def test_routes_that_do_not_overlap_are_no_conflict() -> None:
    preflight.networks(a_cluster(Path("/state")), [{"dst": "192.168.0.0/16"}, {"dst": "10.97.0.0/16"}])


@pytest.mark.parametrize(
    ("system", "user", "words"),
    [("Darwin", 0, "needs Linux, this is Darwin"), ("Linux", 1000, "needs root: run `sudo -E make …`")],
)
def test_a_machine_that_can_run_no_cluster_gets_the_ways_out_named(
    monkeypatch: pytest.MonkeyPatch, system: str, user: int, words: str
) -> None:
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(os, "geteuid", lambda: user)

    with pytest.raises(UserError, match=words) as refused:
        preflight.machine()

    assert "CONTEXT=<kubectl context> REGISTRY=<prefix>" in str(refused.value)


def test_a_machine_that_can_run_no_cluster_is_refused_before_an_image_is_built(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    engine, asked = tmp_path / "docker", tmp_path / "asked"
    engine.write_text(f"#!/bin/sh\ntouch {asked}\n")
    engine.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(platform, "system", lambda: "Darwin")

    with pytest.raises(UserError, match="needs Linux"):
        ready(a_cluster(tmp_path))

    assert not asked.exists()


@pytest.fixture
def pki(tmp_path: Path) -> Path:
    cluster = a_cluster(tmp_path)
    certificates.write(cluster)
    return cluster.directory / "pki"


def _read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def _verifier(pki: Path, authority: str) -> PolicyBuilder:
    return PolicyBuilder().store(Store([_read(pki / f"{authority}.crt")]))


@pytest.mark.parametrize("host", ["10.199.0.2", "10.96.0.1", "127.0.0.1"])
def test_the_api_server_is_trusted_under_every_address_it_is_called_by(pki: Path, host: str) -> None:
    verifier = _verifier(pki, "ca").build_server_verifier(x509.IPAddress(ipaddress.ip_address(host)))

    assert verifier.verify(_read(pki / "apiserver.crt"), [])


def test_a_client_of_the_cluster_is_none_of_etcd(pki: Path) -> None:
    authority = _read(pki / "etcd-ca.crt")

    _read(pki / "apiserver-etcd.crt").verify_directly_issued_by(authority)
    with pytest.raises(ValueError, match=r"[Ii]ssuer"):
        _read(pki / "admin.crt").verify_directly_issued_by(authority)


def test_keys_and_kubeconfigs_are_for_their_owner_only(pki: Path) -> None:
    secrets = [path for path in pki.iterdir() if path.suffix in (".key", ".conf")]

    assert secrets
    assert {path.stat().st_mode & 0o777 for path in secrets} == {0o600}


def test_a_second_start_keeps_the_authorities_and_the_token_key(pki: Path, tmp_path: Path) -> None:
    kept = {name: (pki / name).read_bytes() for name in ("ca.key", "ca.crt", "etcd-ca.crt", "sa.key")}
    renewed = (pki / "apiserver.crt").read_bytes()

    certificates.write(a_cluster(tmp_path))

    assert {name: (pki / name).read_bytes() for name in kept} == kept
    assert (pki / "apiserver.crt").read_bytes() != renewed


def test_the_kubeconfig_stands_alone(pki: Path) -> None:
    kubeconfig = yaml.safe_load((pki / "admin.conf").read_text())

    assert kubeconfig["clusters"][0]["cluster"]["server"] == "https://10.199.0.2:6443"
    assert set(kubeconfig["users"][0]["user"]) == {"client-certificate-data", "client-key-data"}


def test_only_what_the_api_server_needs_starts_before_it(tmp_path: Path) -> None:
    early = [component.name for component in all_components(a_cluster(tmp_path)) if not component.needs_api]

    assert early == ["containerd", "etcd", "kube-apiserver", "relay"]
