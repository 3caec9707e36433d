"""Names for people of data sets made with a seed."""

from __future__ import annotations

import random
import re
from typing import Final

_GIVEN: Final = re.findall(
    r"\w+",
    "Ana Beatriz Bruno Caio Camila Carla Daniel Davi Débora Eduardo Elisa Fábio Fernanda Gabriel "
    "Helena Igor Isabela João José Júlia Larissa Lucas Luíza Marcos Mariana Otávio Paula Rafael",
)
_FAMILY: Final = re.findall(
    r"\w+",
    "Almeida Araújo Barbosa Cardoso Conceição Costa Dias Ferreira Gomes Lima Melo Moreira Nunes "
    "Oliveira Pereira Pinto Ramos Ribeiro Rocha Santos Silva Souza Teixeira Vieira",
)


def full_name(rng: random.Random) -> str:
    """A given and a family name."""
    return f"{_GIVEN[rng.randrange(len(_GIVEN))]} {_FAMILY[rng.randrange(len(_FAMILY))]}"
