"""Running programs that nobody has read: the sandbox for code that a model wrote (Linux, standard library only).

Start with `settings.Limits`, `program.Program` and `isolation.require_isolation`. Nothing is imported here: the
launcher, which starts anew for each program, must be quick.
"""
