"""Searches for a network with Optuna. Each trial is judged on people whom its networks have not seen."""

import optuna
import triax
from sklearn.model_selection import GroupKFold, cross_val_score

optuna.logging.set_verbosity(optuna.logging.WARNING)
X, y, groups = triax.read("synthetic").windows(window="6s", step="30s")


def macro_f1(trial):
    classifier = triax.TriaxClassifier(
        convs=trial.suggest_categorical("convs", ["32:3:2:2,64:3:2", "16:9:4,32:5:2"]),
        loss=trial.suggest_categorical("loss", ["squared_hinge", "categorical_crossentropy"]),
        learning_rate=trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True),
        epochs=5,
    )
    return cross_val_score(classifier, X, y, groups=groups, cv=GroupKFold(4), scoring="f1_macro").mean()


study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
study.optimize(macro_f1, n_trials=5)
print(f"macro-F1 {study.best_value:.3f} with {study.best_params}")
