"""What runs inside a sandbox when a function is tested.

Two programs in two sandboxes, joined by two pipes. `candidate` holds the code that a model wrote and answers calls;
`judge` holds the tests and decides. So the expected values and the verdict are never where the model's code runs,
and what comes back from there is plain data (`wire`), which has no behaviour to cheat with.
"""
