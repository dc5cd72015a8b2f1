"""Judges a network on each person in turn, by the windows of all others."""

import triax
from sklearn.model_selection import LeaveOneGroupOut, cross_val_score

recordings = triax.read("synthetic")  # or a folder, a file or a zip of your own
X, y, groups = recordings.windows(window="6s", step="12s")
classifier = triax.TriaxClassifier(epochs=3)
accuracies = cross_val_score(classifier, X, y, groups=groups, cv=LeaveOneGroupOut())
print(f"accuracy {accuracies.mean():.3f} over {len(accuracies)} people, from {accuracies.min():.3f} to {accuracies.max():.3f}")
