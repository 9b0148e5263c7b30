"""The question comes while alice works: she sees it, wherever she looks, and what she types does not get lost."""

from __future__ import annotations

from alice import Desktop, Question
from desktop import window_processes
from machine import wait_for


def test_it_is_above_a_maximised_window(desktop: Desktop) -> None:
    desktop.work()
    desktop.knock("bob")
    window = desktop.question()
    wait_for(window.is_on_top, "it is on top")
    assert "bob wants to log in" in desktop.text()


def test_it_stays_there_after_a_click_beside_it(desktop: Desktop) -> None:
    desktop.work()
    desktop.knock("bob")
    window = desktop.question()
    desktop.click(100, 600)
    desktop.press("y")
    wait_for(lambda: desktop.typed().endswith("y"), "the terminal has the keyboard")
    assert window.is_on_top()
    assert "bob wants to log in" in desktop.text()


def test_no_key_of_a_word_that_is_being_typed_is_lost(desktop: Desktop) -> None:
    desktop.work()
    word = desktop.typed()
    desktop.knock("bob")
    for letter in "abcdefghijklmnop" * 100:
        desktop.press(letter)
        word += letter
        if window_processes() and Question(desktop, window_processes()[0]).last_seen():
            break
    window = desktop.question()
    window.until(lambda seen: seen["buttons"]["Allow"]["enabled"], "clicks count")
    desktop.press("z")
    wait_for(lambda: desktop.typed() == f"{word}z", "all of the word is in the terminal")
    assert window.is_there()


def test_over_full_screen_a_notification_tells(desktop: Desktop) -> None:
    desktop.work()
    desktop.press("F11")
    wait_for(lambda: desktop.windows()[-1]["rect"][3] >= 800, "the terminal has the full screen")
    desktop.knock("bob")
    wait_for(lambda: "wants to log in" in desktop.notification(), "a notification tells of it")
    desktop.question().go_there()
    assert "bob wants to log in" in desktop.text()
    desktop.press("alt+a")
    assert desktop.logins[-1].is_let_in()
    wait_for(lambda: "wants to log in" not in desktop.notification(), "the notification is withdrawn")
