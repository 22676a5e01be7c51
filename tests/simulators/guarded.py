"""A web server on loopback that wants a password, for tests."""

import base64

from simulators.webserver import Silent

__all__ = ["BASIC", "PASSWORD", "USER", "Guarded"]

USER = "someone"
PASSWORD = "s3cr3t-w0rd"  # noqa: S105  # the subject of these tests
BASIC = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


class Guarded(Silent):
    """Serves a directory to those who know the password."""

    def do_GET(self) -> None:  # noqa: N802  # the name that http.server looks for
        """Answer 401 to everybody else."""
        if self.headers.get("Authorization") == f"Basic {BASIC}":
            super().do_GET()
        else:
            self.send_error(401)

    do_HEAD = do_GET  # noqa: N815  # likewise
