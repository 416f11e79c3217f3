"""Rows and a chat template that trials are made with."""

ROWS = [{"prompt": f"What is {i} plus {i}?", "answer": str(2 * i)} for i in range(50, 66)]

# Puts an open <think> at the end of every prompt, as DeepSeek-R1's does.
OPENS_THINK = (
    "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: <think>\n{% endif %}"
)
