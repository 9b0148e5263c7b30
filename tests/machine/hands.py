"""A keyboard and a mouse on a Wayland compositor that lets programs have one, as those that wlroots is under do.

Both stay for as long as the object does, as real ones would, and their modifiers are keys that are pressed: programs
such as wtype bring a keyboard for each call, and take it away again. Wayland is spoken by hand: a message is an object,
an operation and its arguments, in words of 32 bits. See https://wayland.freedesktop.org/docs/html/ch04.html.
"""

from __future__ import annotations

import array
import os
import socket
import struct
import time
from pathlib import Path

# Of linux/input-event-codes.h.
KEYS = {"Escape": 1, "Tab": 15, "q": 16, "y": 21, "Return": 28, "a": 30, "d": 32, "space": 57}
MODIFIERS = {"shift": (42, 1), "alt": (56, 8), "ctrl": (29, 4)}  # and the bits of xkb's real modifiers
LEFT = 0x110

KEYMAP = b"""\
xkb_keymap {
    xkb_keycodes { include "evdev+aliases(qwerty)" };
    xkb_types { include "complete" };
    xkb_compat { include "complete" };
    xkb_symbols { include "pc+us+inet(evdev)" };
};
\0"""

DISPLAY = 1  # the object that is there from the start
SEAT, KEYBOARDS, POINTERS = "wl_seat", "zwp_virtual_keyboard_manager_v1", "zwlr_virtual_pointer_manager_v1"


class Hands:
    """Somebody's hands at the compositor behind a socket. What a call does is done at one blow, and the compositor has
    heard of all of it when the call returns.
    """

    def __init__(self, path: Path, width: int, height: int) -> None:
        self.screen = width, height
        self.wire = socket.socket(socket.AF_UNIX)
        self.wire.settimeout(20)
        self.wire.connect(str(path))
        self.heard = self.unsaid = b""
        self.made = DISPLAY
        self.registry = self.make(DISPLAY, 1)
        offered = {interface: (name, interface, 1) for name, interface in self.round_trip()}
        seat, keyboards, pointers = (self.make(self.registry, 0, *offered[it]) for it in (SEAT, KEYBOARDS, POINTERS))
        self.keyboard = self.make(keyboards, 0, seat)
        self.pointer = self.make(pointers, 0, seat)
        keymap = os.memfd_create("keymap")
        os.write(keymap, KEYMAP)
        self.say(self.keyboard, 0, 1, len(KEYMAP), descriptor=keymap)
        os.close(keymap)
        self.round_trip()

    def close(self) -> None:
        self.wire.close()

    def press(self, *keys: str) -> None:
        """Presses keys, such as "alt+a" or "A", and lets them go; whatever has the focus gets them."""
        for key in keys:
            *held, last = key.split("+")
            if last not in KEYS:
                held, last = [*held, "shift"], last.lower()
            bits = 0
            for name in held:
                self.say(self.keyboard, 1, now(), MODIFIERS[name][0], 1)
                bits |= MODIFIERS[name][1]
                self.say(self.keyboard, 2, bits, 0, 0, 0)
            for pressed in (1, 0):
                self.say(self.keyboard, 1, now(), KEYS[last], pressed)
            for name in reversed(held):
                self.say(self.keyboard, 1, now(), MODIFIERS[name][0], 0)
                bits &= ~MODIFIERS[name][1]
                self.say(self.keyboard, 2, bits, 0, 0, 0)
        self.round_trip()

    def click(self, x: int, y: int) -> None:
        self.say(self.pointer, 1, now(), x, y, *self.screen)
        self.say(self.pointer, 4)
        for pressed in (1, 0):
            self.say(self.pointer, 2, now(), LEFT, pressed)
            self.say(self.pointer, 4)
        self.round_trip()

    def make(self, object: int, operation: int, *arguments: int | str) -> int:
        """An operation whose last argument is a new object: the next number."""
        self.made += 1
        self.say(object, operation, *arguments, self.made)
        return self.made

    def say(self, object: int, operation: int, *arguments: int | str, descriptor: int = -1) -> None:
        body = b"".join(map(encoded, arguments))
        self.unsaid += struct.pack("=II", object, len(body) + 8 << 16 | operation) + body
        if descriptor >= 0:
            self.flush([(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))])

    def flush(self, rights: list[tuple[int, int, array.array[int]]]) -> None:
        sent = self.wire.sendmsg([self.unsaid], rights)
        assert sent == len(self.unsaid)
        self.unsaid = b""

    def round_trip(self) -> list[tuple[int, str]]:
        """Waits until everything that was said has been heard; what the compositor offers, if it has told meanwhile."""
        callback = self.make(DISPLAY, 0)
        self.flush([])
        found = []
        while True:
            object, operation, body = self.message()
            assert object != DISPLAY or operation != 0, body  # an error
            if object == self.registry and operation == 0:
                name, length = struct.unpack_from("=II", body)
                found.append((name, body[8 : 7 + length].decode()))
            if object == callback:
                return found

    def message(self) -> tuple[int, int, bytes]:
        object, size = struct.unpack("=II", self.read(8))
        return object, size & 0xFFFF, self.read((size >> 16) - 8)

    def read(self, size: int) -> bytes:
        while len(self.heard) < size:
            piece = self.wire.recv(4096)
            assert piece, "the compositor has gone"
            self.heard += piece
        found, self.heard = self.heard[:size], self.heard[size:]
        return found


def encoded(argument: int | str) -> bytes:
    if isinstance(argument, int):
        return struct.pack("=I", argument)
    text = argument.encode() + b"\0"
    return struct.pack("=I", len(text)) + text + bytes(-len(text) % 4)


def now() -> int:
    return int(time.monotonic() * 1000) & 0xFFFFFFFF
