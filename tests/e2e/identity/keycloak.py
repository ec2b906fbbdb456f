"""A Keycloak of a test's own, with one realm, in memory; its port is from the kernel."""

import base64
import contextlib
import json
import os
import pathlib
import signal
import urllib.parse
import urllib.request

import canary
from processes import Process

HERE = pathlib.Path(__file__).resolve().parent
HOME = pathlib.Path(os.environ.get("SGW_LOCAL") or HERE.parents[2] / ".local") / "keycloak"
ADMIN = {"KC_BOOTSTRAP_ADMIN_USERNAME": "admin", "KC_BOOTSTRAP_ADMIN_PASSWORD": "admin"}
# It lives for a minute: what the JVM would gain by more threads and compilers it does not get back.
JAVA = "-Xms64m -Xmx512m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
KEYS = "org.keycloak.keys.KeyProvider"


class Keycloak:
    """Issues tokens to its clients: {name: ([groups], algorithm)}. `issuer` is the URL of the realm."""

    def __init__(self, folder, clients):
        self._process = Process([HOME / "bin" / "kc.sh", "start", "--optimized", "--cache=local", "--http-enabled=true",
                                 "--hostname-strict=false", "--http-host=127.0.0.1", "--http-port=0"],
                                os.path.join(folder, "keycloak.log"), {**ADMIN, "JAVA_OPTS": JAVA})
        self._url = self._process.wait_for_line(r"Listening on: (http://127\.0\.0\.1:\d+)", 240)[1]
        self.issuer = f"{self._url}/realms/acme"
        self._priority = 100  # The highest of a realm's keys; a tie would be a matter of chance.
        self._administer("POST", "", realm(clients))

    def token(self, client):
        return canary.keep(self._token("acme", {"grant_type": "client_credentials"}, f"{client}:secret"))

    def rotate(self):
        """Signs with a new RSA key; the old one stays good. Returns what `withdraw` takes."""
        old = [one["id"] for one in self._administer("GET", f"/acme/components?type={KEYS}") if one["providerId"] == "rsa-generated"]
        self._priority += 1
        self._administer("POST", "/acme/components", {
            "name": "next", "providerId": "rsa-generated", "providerType": KEYS,
            "parentId": self._administer("GET", "/acme")["id"], "config": {"priority": [str(self._priority)]}})
        return old

    def withdraw(self, keys):
        for key in keys:
            self._administer("DELETE", f"/acme/components/{key}")

    def stop(self):
        """All of its group: kc.sh may have the server as a child."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        self._process.stop(seconds=60)

    def _administer(self, method, path, body=None):
        token = self._token("master", {"grant_type": "password", "client_id": "admin-cli", "username": "admin", "password": "admin"})
        return self._ask(method, f"/admin/realms{path}", f"Bearer {token}", json.dumps(body).encode() if body else None,
                         "application/json")

    def _token(self, realm_name, form, client=None):
        basic = "Basic " + base64.b64encode(client.encode()).decode() if client else None
        return self._ask("POST", f"/realms/{realm_name}/protocol/openid-connect/token", basic, urllib.parse.urlencode(form).encode(),
                         "application/x-www-form-urlencoded")["access_token"]

    def _ask(self, method, path, authorization, body, content_type):
        request = urllib.request.Request(self._url + path, body, {"content-type": content_type}, method=method)
        if authorization:
            request.add_header("authorization", authorization)
        with urllib.request.urlopen(request, timeout=60) as reply:
            text = reply.read()
        return json.loads(text) if text else None


def realm(clients):
    """Clients with accounts of their own, which are in groups; tokens name the groups and the gateway as their audience."""
    groups = sorted({group for of_client, _ in clients.values() for group in of_client})
    return {
        "realm": "acme", "enabled": True, "sslRequired": "none",
        "groups": [{"name": group} for group in groups],
        # Without it, the key for ES256 would be made with the first such token.
        "components": {KEYS: [{"name": kind, "providerId": kind, "config": {"priority": ["100"]}}
                              for kind in ("rsa-generated", "ecdsa-generated")]},
        "clients": [{"clientId": name, "secret": "secret", "serviceAccountsEnabled": True, "standardFlowEnabled": False,
                     "attributes": {"access.token.signed.response.alg": algorithm},
                     "protocolMappers": [mapper("groups", "oidc-group-membership-mapper", {"claim.name": "groups", "full.path": "false"}),
                                         mapper("gateway", "oidc-audience-mapper", {"included.custom.audience": "spark-gateway"})]}
                    for name, (_, algorithm) in clients.items()],
        "users": [{"username": f"service-account-{name}", "enabled": True, "serviceAccountClientId": name,
                   "groups": [f"/{group}" for group in of_client]} for name, (of_client, _) in clients.items()]}


def mapper(name, kind, config):
    return {"name": name, "protocol": "openid-connect", "protocolMapper": kind, "config": {**config, "access.token.claim": "true"}}
