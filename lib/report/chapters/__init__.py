"""Tables, figures and sentences of single chapters, one module for each chapter that needs more than a call."""
