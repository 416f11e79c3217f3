"""The embedded model's tokenizer: byte-level BPE, small, with Qwen's chat format.

Any text can be encoded (every byte has a token). Digits and punctuation are always single tokens, so that a
column of an addition lines up; a handful of words, the tags and the chat markers are one token each.
"""

from __future__ import annotations

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

SPECIAL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
TAGS = (
    "<think>",
    "</think>",
    "<answer>",
    "</answer>",
)  # ordinary text to a reward: kept when special tokens are not
WORDS = ("user", "assistant", "What", " is", "The", " answer")

CHAT_TEMPLATE = (
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)


def build_tokenizer(model_max_length: int = 512) -> PreTrainedTokenizerFast:
    """Build the tokenizer; nothing is learned, so it is the same every time.

    Args:
        model_max_length: longest sequence the model takes, in tokens.

    Returns:
        A tokenizer of 287 tokens whose end of sequence is `<|im_end|>` and whose padding is `<|endoftext|>`.
    """
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    vocabulary = {char: i for i, char in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    merges = []
    for word in WORDS:
        chars = byte_level.pre_tokenize_str(word)[0][0]
        head = chars[0]
        for char in chars[1:]:
            if head + char not in vocabulary:
                merges.append((head, char))
                vocabulary[head + char] = len(vocabulary)
            head += char

    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    # A word takes its leading space with it; a digit or a punctuation mark stands alone.
    split = pre_tokenizers.Split(Regex(r" ?\p{L}+|\p{N}|\s|[^\s\p{L}\p{N}]"), behavior="isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, byte_level])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    tokenizer.add_tokens([AddedToken(tag, special=False, normalized=False) for tag in TAGS])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=["<|im_start|>"],
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
        model_max_length=model_max_length,
        padding_side="left",
    )
