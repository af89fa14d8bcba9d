"""A keyring that lives in this process: `PYTHON_KEYRING_BACKEND=tests.config.keyrings.InMemory`."""

from typing import ClassVar

from keyring.backend import KeyringBackend


class InMemory(KeyringBackend):
    priority: ClassVar[float] = 1
    kept: ClassVar[dict[tuple[str, str], str]] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]
