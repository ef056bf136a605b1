"""How soon `nextbest monitor` finds five faults in the months that follow one trained model, and how often it errs."""
