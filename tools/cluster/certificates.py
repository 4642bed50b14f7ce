"""The cluster's own certificate authorities, certificates and kubeconfig files."""

import base64
import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tools.cluster.settings import Settings

_AUTHORITY_LIFETIME = timedelta(days=3650)
_LIFETIME = timedelta(days=365)  # made anew at every `up`
_SIGNS = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)  # strict clients trust no authority without it
_SKEW = timedelta(minutes=5)


@dataclass(frozen=True)
class Identity:
    """Who a certificate stands for: a user of the API (`name`, `group`) or a server (`hosts`)."""

    file: str
    name: str
    group: str = ""
    hosts: tuple[str, ...] = ()
    authority: str = "ca"


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def _read_key(path: Path) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{path} contains no elliptic-curve key; remove its directory to create new ones.")
    return key


def _subject(name: str, group: str = "") -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
    if group:
        attributes.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, group))
    return x509.Name(attributes)


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - _SKEW)
    )


def make_authority(directory: Path, name: str) -> None:
    """Once in the life of a cluster: service-account tokens and clients outlive a restart."""
    if (directory / f"{name}.crt").exists():
        return
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _subject(f"homeostat-{name}")
    certificate = (
        _builder(subject, subject, key.public_key())
        .not_valid_after(datetime.now(UTC) + _AUTHORITY_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_SIGNS, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write_key(directory / f"{name}.key", key)
    (directory / f"{name}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def issue(directory: Path, identity: Identity) -> None:
    """Writes a new key and certificate of `identity`, signed by its authority in the same directory."""
    authority_key = _read_key(directory / f"{identity.authority}.key")
    authority = x509.load_pem_x509_certificate((directory / f"{identity.authority}.crt").read_bytes())
    key = ec.generate_private_key(ec.SECP256R1())
    usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
    if identity.hosts:
        usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
    builder = (
        _builder(_subject(identity.name, identity.group), authority.subject, key.public_key())
        .not_valid_after(datetime.now(UTC) + _LIFETIME)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
    )
    if identity.hosts:
        alternatives = x509.SubjectAlternativeName([_alternative(host) for host in identity.hosts])
        builder = builder.add_extension(alternatives, critical=False)
    _write_key(directory / f"{identity.file}.key", key)
    certificate = builder.sign(authority_key, hashes.SHA256())
    (directory / f"{identity.file}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def _make_token_key(directory: Path) -> None:
    """The key pair that signs service-account tokens."""
    if (directory / "sa.pub").exists():
        return
    key = ec.generate_private_key(ec.SECP256R1())
    _write_key(directory / "sa.key", key)
    (directory / "sa.pub").write_bytes(
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def _kubeconfig(directory: Path, file: str, settings: Settings) -> str:
    def inline(path: Path) -> str:
        return base64.b64encode(path.read_bytes()).decode()

    cluster = {"server": settings.server, "certificate-authority-data": inline(directory / "ca.crt")}
    user = {
        "client-certificate-data": inline(directory / f"{file}.crt"),
        "client-key-data": inline(directory / f"{file}.key"),
    }
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": settings.name, "cluster": cluster}],
            "users": [{"name": settings.name, "user": user}],
            "contexts": [{"name": "homeostat", "context": {"cluster": settings.name, "user": settings.name}}],
            "current-context": "homeostat",
        }
    )


def _identities(settings: Settings) -> list[Identity]:
    api_names = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
    return [
        Identity("apiserver", "kube-apiserver", hosts=(*api_names, "127.0.0.1", settings.node, settings.service(1))),
        Identity("apiserver-kubelet", "kube-apiserver-kubelet"),
        Identity("apiserver-etcd", "kube-apiserver", authority="etcd-ca"),
        Identity("etcd", "etcd", hosts=("localhost", "127.0.0.1"), authority="etcd-ca"),
        Identity("kubelet", "system:node:local", "system:nodes", hosts=("local", settings.node)),
        Identity("admin", "admin", "system:masters"),
        Identity("kube-controller-manager", "system:kube-controller-manager"),
        Identity("kube-scheduler", "system:kube-scheduler"),
        Identity("kube-proxy", "system:kube-proxy"),
        Identity("coredns", "homeostat:coredns"),
        Identity("volumes", "homeostat:volumes"),
    ]


KUBECONFIGS = ("admin", "kubelet", "kube-controller-manager", "kube-scheduler", "kube-proxy", "coredns", "volumes")


def write(settings: Settings) -> None:
    """Writes `<cluster>/pki`: authorities once, certificates and kubeconfig files anew."""
    directory = settings.directory / "pki"
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    for authority in ("ca", "etcd-ca"):
        make_authority(directory, authority)
    _make_token_key(directory)
    for identity in _identities(settings):
        issue(directory, identity)
    for file in KUBECONFIGS:
        path = directory / f"{file}.conf"
        path.touch(mode=0o600)
        path.write_text(_kubeconfig(directory, file, settings))
    settings.kubeconfig.touch(mode=0o600)
    settings.kubeconfig.write_text((directory / "admin.conf").read_text())
