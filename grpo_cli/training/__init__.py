"""The worker: model, trainer, callbacks. Imports everything heavy."""
