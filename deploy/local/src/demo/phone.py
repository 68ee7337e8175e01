"""A citizen's phone: the messages that the SMSC delivered to it."""

import json
import re
import time
import urllib.request
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

CODE = re.compile(r"(?<!\d)\d{6}(?!\d)")
POLL_SECONDS = 0.05
TIMEOUT_SECONDS = 60.0


@dataclass
class Phone:
    """One mobile number, with the number of messages read so far."""

    phones_url: str
    mobile: str
    read: int = 0

    def messages(self) -> list[dict[str, Any]]:
        """Return all messages delivered so far, oldest first."""
        url = f"{self.phones_url}/phones/{quote(self.mobile.lstrip('+'))}/messages"
        with urllib.request.urlopen(url, timeout=20) as response:  # noqa: S310  an address of our own stack
            messages: list[dict[str, Any]] = json.load(response)
        return messages

    def next_message(self, within_seconds: float = TIMEOUT_SECONDS) -> str:
        """Wait for the next message and return its text; TimeoutError when none arrives in time."""
        deadline = time.monotonic() + within_seconds
        while time.monotonic() < deadline:
            messages = self.messages()
            if len(messages) > self.read:
                self.read += 1
                return str(messages[self.read - 1]["text"])
            time.sleep(POLL_SECONDS)
        raise TimeoutError(f"no message reached the phone within {within_seconds:.0f} s")

    def next_code(self, within_seconds: float = TIMEOUT_SECONDS) -> tuple[str, str]:
        """Wait for the next message that holds a code; return the code and the text."""
        deadline = time.monotonic() + within_seconds
        while True:
            text = self.next_message(max(0.0, deadline - time.monotonic()))
            if match := CODE.search(text):
                return match.group(), text

    def message_with(self, part: str, within_seconds: float = TIMEOUT_SECONDS) -> str:
        """Wait for a message whose text contains `part`, and return its text; skip others."""
        deadline = time.monotonic() + within_seconds
        while True:
            text = self.next_message(max(0.0, deadline - time.monotonic()))
            if part in text:
                return text
