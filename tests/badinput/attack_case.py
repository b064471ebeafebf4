# SPDX-License-Identifier: Apache-2.0
"""What a case of the corpus is."""

import random
from dataclasses import dataclass, field

from attack_target import CUT

# Seed of all mutants: the corpus is the same in every run.
SEED = 20260102
# What refuses: an answer of class 4, or the end of the connection.
REFUSED = (4, CUT)
# What may be taken or refused, but is answered.
ANSWERED = (2, 4)


@dataclass(frozen=True)
class Case:
    """Bytes, and what may come back: codes (413), classes (4) or CUT.

    A metric whose name begins with "bad" must not be there afterwards.
    """
    name: str
    data: bytes = field(repr=False)
    expected: tuple
    says: bytes = b""        # part of the answer
    is_ended: bool = False   # the client says that nothing more comes
    leaves: str = ""         # "close" or "reset": the client goes without waiting for an answer
    is_large: bool = False   # it is work for most of a second: its time is told, not held against it


def mutants(name, whole, count, alphabet=None):
    """(name, bytes) with one to four bytes replaced, inserted, removed or doubled."""
    source = random.Random(f"{SEED} {name}")
    letters = alphabet or bytes(range(256))
    for index in range(count):
        data = bytearray(whole)
        for _ in range(source.randint(1, 4)):
            place = source.randrange(len(data))
            kind = source.randrange(4)
            if kind == 0:
                data[place] = source.choice(letters)
            elif kind == 1:
                data.insert(place, source.choice(letters))
            elif kind == 2 and len(data) > 1:
                del data[place]
            else:
                data[place:place] = data[place:place + source.randint(1, 8)]
        yield f"{name}, mutant {index}", bytes(data)


def prefixes(whole):
    """Every beginning but the whole."""
    return ((size, whole[:size]) for size in range(len(whole)))
