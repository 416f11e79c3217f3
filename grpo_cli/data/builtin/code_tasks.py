"""Small functions to be written: each docstring is the task, each body the solution, `INPUTS` draws the arguments."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any


def count_vowels(text):
    """Return how many letters of the text are vowels (a, e, i, o, u), whatever their case."""
    return sum(letter in "aeiou" for letter in text.lower())


def is_palindrome(text):
    """Return whether the text reads the same backwards, looking at letters and digits only and ignoring case."""
    kept = [letter for letter in text.lower() if letter.isalnum()]
    return kept == kept[::-1]


def reverse_words(text):
    """Return the words of the text in reverse order, with one blank between them."""
    return " ".join(reversed(text.split()))


def most_common_letter(text):
    """Return the letter that occurs most often in the text of small letters; of several, the first in the alphabet."""
    return min(set(text), key=lambda letter: (-text.count(letter), letter))


def run_lengths(text):
    """Return the runs of equal letters in the text as a list of [letter, length]."""
    runs: list[list] = []
    for letter in text:
        if runs and runs[-1][0] == letter:
            runs[-1][1] += 1
        else:
            runs.append([letter, 1])
    return runs


def caesar(text, shift):
    """Return the text of small letters with each letter moved on in the alphabet by shift places, z being before a."""
    return "".join(chr((ord(letter) - 97 + shift) % 26 + 97) for letter in text)


def is_anagram(first, second):
    """Return whether the two texts consist of the same letters, each as often."""
    return sorted(first) == sorted(second)


def longest_word(text):
    """Return the longest word of the text; of several, the first."""
    return max(text.split(), key=len)


def sum_of_digits(number):
    """Return the sum of the decimal digits of a number that is not negative."""
    return sum(map(int, str(number)))


def greatest_common_divisor(a, b):
    """Return the greatest number that divides both positive numbers."""
    while b:
        a, b = b, a % b
    return a


def is_prime(number):
    """Return whether the number is a prime."""
    return number > 1 and all(number % divisor for divisor in range(2, int(number**0.5) + 1))


def prime_factors(number):
    """Return the prime factors of a number above 1 in rising order, each as often as it divides the number."""
    factors, divisor = [], 2
    while number > 1:
        while number % divisor == 0:
            factors.append(divisor)
            number //= divisor
        divisor += 1
    return factors


def fibonacci(n):
    """Return the n-th Fibonacci number; they begin, with n = 0, as 0, 1, 1, 2, 3."""
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    return a


def to_binary(number):
    """Return the binary digits of a number that is not negative as a text without prefix."""
    return format(number, "b")


def collatz_steps(number):
    """Return how many steps it takes to come from the number to 1, halving even and mapping odd n to 3n + 1."""
    steps = 0
    while number != 1:
        number = number // 2 if number % 2 == 0 else 3 * number + 1
        steps += 1
    return steps


def sum_of_evens(numbers):
    """Return the sum of the even numbers of the list."""
    return sum(number for number in numbers if number % 2 == 0)


def second_largest(numbers):
    """Return the second largest of the different values in the list, or None where there is none."""
    values = sorted(set(numbers))
    return values[-2] if len(values) > 1 else None


def without_repeats(numbers):
    """Return the list without values that occurred before, in the same order."""
    return list(dict.fromkeys(numbers))


def running_total(numbers):
    """Return the list of the sums of the first one, two, three, ... numbers."""
    return [sum(numbers[: index + 1]) for index in range(len(numbers))]


def rotate(numbers, places):
    """Return the list with its last items moved to the front, as many as places says (which may exceed the length)."""
    places %= len(numbers)
    return numbers[len(numbers) - places :] + numbers[: len(numbers) - places]


def pairs_with_sum(numbers, total):
    """Return how many pairs of positions in the list hold numbers with the given sum."""
    return sum(a + b == total for index, a in enumerate(numbers) for b in numbers[index + 1 :])


def merge_sorted(first, second):
    """Return one sorted list with all numbers of two sorted lists."""
    return sorted(first + second)


def transpose(rows):
    """Return the columns of a table, given as a list of rows of equal length, as a list of lists."""
    return [list(column) for column in zip(*rows, strict=True)]


def largest_sum_in_a_row(numbers):
    """Return the largest sum of one or more numbers that stand next to each other in the list."""
    best = current = numbers[0]
    for number in numbers[1:]:
        current = max(number, current + number)
        best = max(best, current)
    return best


def _word(rng: random.Random) -> str:
    return "".join(rng.choice("aabcdeeinorst") for _ in range(rng.randint(1, 9)))


def _text(rng: random.Random) -> str:
    return " ".join(_word(rng) for _ in range(rng.randint(1, 6)))


def _numbers(rng: random.Random, least: int = 1) -> list[int]:
    return [rng.randint(-9, 20) for _ in range(rng.randint(least, 9))]


def _near_palindrome(rng: random.Random) -> str:
    half = _text(rng)
    return (half + half[::-1]).capitalize() if rng.random() < 0.6 else half


def _near_anagram(rng: random.Random) -> tuple[str, str]:
    word = _word(rng)
    other = "".join(rng.sample(word, len(word)))
    return word, other if rng.random() < 0.6 else other[1:] + rng.choice("xyz")


# The arguments of a call, drawn at random; the order is that of the data set.
INPUTS: dict[Callable[..., Any], Callable[[random.Random], tuple[Any, ...]]] = {
    count_vowels: lambda rng: (_text(rng).title(),),
    is_palindrome: lambda rng: (_near_palindrome(rng),),
    reverse_words: lambda rng: (_text(rng),),
    most_common_letter: lambda rng: (_word(rng),),
    run_lengths: lambda rng: ("".join(rng.choice("ab") for _ in range(rng.randint(0, 8))),),
    caesar: lambda rng: (_word(rng), rng.randint(0, 30)),
    is_anagram: _near_anagram,
    longest_word: lambda rng: (_text(rng),),
    sum_of_digits: lambda rng: (rng.randint(0, 10**6),),
    greatest_common_divisor: lambda rng: (rng.randint(1, 30) * 6, rng.randint(1, 30) * 4),
    is_prime: lambda rng: (rng.randint(0, 40),),
    prime_factors: lambda rng: (rng.randint(2, 500),),
    fibonacci: lambda rng: (rng.randint(0, 40),),
    to_binary: lambda rng: (rng.randint(0, 300),),
    collatz_steps: lambda rng: (rng.randint(1, 60),),
    sum_of_evens: lambda rng: (_numbers(rng, 0),),
    second_largest: lambda rng: ([rng.randint(1, 6) for _ in range(rng.randint(1, 6))],),
    without_repeats: lambda rng: ([rng.randint(1, 6) for _ in range(rng.randint(0, 9))],),
    running_total: lambda rng: (_numbers(rng, 0),),
    rotate: lambda rng: (_numbers(rng), rng.randint(0, 12)),
    pairs_with_sum: lambda rng: ([rng.randint(1, 6) for _ in range(rng.randint(0, 8))], rng.randint(4, 9)),
    merge_sorted: lambda rng: (sorted(_numbers(rng, 0)), sorted(_numbers(rng, 0))),
    transpose: lambda rng: ([[rng.randint(0, 9) for _ in range(3)] for _ in range(rng.randint(1, 4))],),
    largest_sum_in_a_row: lambda rng: (_numbers(rng),),
}
