"""Values as a user types them, and how Hydra must get them: quotes, lists, references, what its parser cannot read."""

from __future__ import annotations

import os
import re
import shlex

from astrid_ml.errors import UserError

# An element of a list: quoted texts, and anything but commas.
ELEMENT = re.compile(r"""(?:"[^"]*"|'[^']*'|[^,"'])+""")
_VARIABLE = re.compile(r"\$\{oc\.env:([A-Za-z_]\w*)(?:,[^}]*)?\}")
_PAIRS = {"]": "[", "}": "{", ")": "("}
_PLAIN = re.compile(r"[\w.\-+/:%@?*|\\ ]", re.ASCII)


def elements_of(value: str) -> list[str]:
    """The elements of ``[a,b]``; a comma inside quotes belongs to its element."""
    return [part.strip() for part in ELEMENT.findall(value[1:-1]) if part.strip()]


def quote(value: str, many: bool = True) -> str:
    """A Hydra double-quoted string that stands for the text as it was typed; nothing in it is resolved.

    Args:
        value: the text, perhaps in quotes of its own.
        many: ``[a,b]`` is a list, quoted element by element, not a text.
    """
    if many and value.startswith("[") and value.endswith("]"):
        return "[" + ",".join(quote(part, many=False) for part in elements_of(value)) + "]"
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"" and value[0] not in value[1:-1]:
        value = value[1:-1]
    if value.startswith("~"):
        value = os.path.expanduser(value)
    value = re.sub(r"(\\*)\$\{", lambda found: found.group(1) * 2 + "\\${", value)
    # Hydra unescapes \" and the backslashes before it; a trailing backslash would escape our closing quote.
    escaped = re.sub(r'(\\*)"', lambda match: match.group(1) * 2 + '\\"', value)
    trailing = len(escaped) - len(escaped.rstrip("\\"))
    return '"' + escaped + "\\" * trailing + '"'


def parses(override: str) -> bool:
    """Whether Hydra can read an override as it stands."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        OverridesParser.create().parse_override(override)
    except HydraException:
        return False
    return True


def refuse_reference(key: str, value: str) -> None:
    """Refuse ``${...}`` in a value that is taken as it was typed, unless a file of that name is there.

    Args:
        key: as it is typed.
        value: as it was typed.

    Raises:
        UserError: such a reference stands in it; a folder of that name would be made.

    >>> refuse_reference("paths.run_dir", "${oc.env:HOME}/run")
    Traceback (most recent call last):
    astrid_ml.errors.UserError: expected ...; got ... To fix it: let the shell fill it in: paths.run_dir="$HOME/run"
    """
    if "${" not in value or os.path.lexists(value.strip("'\"")):
        return
    by_shell = _VARIABLE.sub(r"$\1", value)
    fix = f"write the value itself: {key}=NAME" if "${" in by_shell else f'let the shell fill it in: {key}="{by_shell}"'
    raise UserError(f"{key} without ${{...}}: it is taken as it is typed", shlex.quote(f"{key}={value}"), fix)


def unreadable(word: str, usual: str = "") -> UserError:
    """What to say of a word that Hydra's parser cannot read: what was typed, where it ends to make sense, how to quote.

    Args:
        word: ``key=value``.
        usual: a value that the key can have, as it is typed; empty where it takes any text.

    >>> print(unreadable("note=a [b").fix)
    quote it: 'note="a [b"'
    """
    key, equals, value = word.partition("=")
    key = key.lstrip("+")
    if not equals:
        return UserError("key=value", word or "an empty text", f"write {word or 'KEY'}=VALUE")
    ends = {begin: end for end, begin in _PAIRS.items()}
    closed = f"{key}={value}{ends.get(why_unreadable(value)[:1], '')}"
    if usual:
        fix = f"for instance {shlex.quote(f'{key}={usual}')}"
    elif closed != f"{key}={value}" and parses(closed):
        fix = f"close it: {shlex.quote(closed)}"
    elif parses(quoted := f"{key}={quote(value, many=False)}"):
        fix = f"quote it: {shlex.quote(quoted)}"
    else:
        fix = f"write {key}=VALUE, a word of letters and digits"
    return UserError(
        f"a value of {key} that can be read", f"{shlex.quote(f'{key}={value}')}: {why_unreadable(value)}", fix
    )


def why_unreadable(value: str) -> str:
    """Where a value ends to make sense, in words.

    >>> [why_unreadable(value) for value in ("[1", "a=b", "1,,2", "1;2", "a]")][:3]
    ['[ without its ]', 'a second =, after a', 'nothing between two commas']
    """
    if value.count('"') % 2 or value.count("'") % 2:
        return "a quote that is not closed"
    bare = re.sub(r"\"[^\"]*\"|'[^']*'", "q", value)
    opened: list[str] = []
    for char in bare:
        if char in _PAIRS.values():
            opened.append(char)
        elif char in _PAIRS and (not opened or opened.pop() != _PAIRS[char]):
            return f"{char} without its {_PAIRS[char]}"
    if opened:
        return f"{opened[-1]} without its {next(end for end, begin in _PAIRS.items() if begin == opened[-1])}"
    if "=" in bare:
        return f"a second =, after {bare.partition('=')[0] or 'the first'}"
    if re.search(r",\s*(,|$)|^\s*,", bare):
        return "nothing between two commas" if ",," in bare.replace(" ", "") else "a comma with nothing beside it"
    strange = [char for char in bare if not _PLAIN.match(char) and char not in "[]{}(),$"]
    if strange:
        return f"the character {strange[0]} stands for nothing without quotes"
    if "(" in bare and (name := bare.partition("(")[0]):
        return f"{name}(...) is no function that is known here, or has other values"
    if "(" in bare:
        return "brackets ( ) without quotes"
    return "its parts do not belong together"


def share_of(value: float | str) -> float:
    """A prevalence as a number: from a number, or a text such as ``1/300``.

    Raises:
        UserError: it is none between 0 and 1.

    Example:
        >>> share_of("1/300"), share_of(0.25)
        (0.0033333333333333335, 0.25)
    """
    above, slash, below = str(value).partition("/")
    try:
        share = float(above) / (float(below) if slash else 1.0)
    except (ValueError, ZeroDivisionError):
        share = float("nan")
    if isinstance(value, bool) or not 0 < share < 1:
        raise UserError("prevalence: a share between 0 and 1, or 1/N", str(value), "for instance prevalence=1/300")
    return share
