"""Searches an SVM's parameters for the wine data on every CPU of the instance; the grid is a hyperparameter."""

import json
import os

import joblib
import pandas as pd
from sklearn.model_selection import GridSearchCV, RepeatedStratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

hyperparameters = json.loads(os.environ["SM_HPS"])
train_dir = os.environ["SM_CHANNEL_TRAIN"]
cpus = int(os.environ["SM_NUM_CPUS"])

wine = pd.read_csv(os.path.join(train_dir, "wine_data.csv"), skiprows=1, header=None)
X, y = wine.iloc[:, :-1].to_numpy(), wine.iloc[:, -1].to_numpy()

print("grid:", json.dumps(hyperparameters["grid"]))
print("single values:", os.environ["SM_HP_REPEATS"], os.environ["SM_HP_SCORING"], os.environ["SM_HP_SHRINKING"])

search = GridSearchCV(
    make_pipeline(StandardScaler(), SVC(shrinking=hyperparameters["shrinking"], random_state=0)),
    {f"svc__{name}": values for name, values in hyperparameters["grid"].items()},
    scoring=hyperparameters["scoring"],
    cv=RepeatedStratifiedKFold(n_splits=5, n_repeats=hyperparameters["repeats"], random_state=0),
    n_jobs=cpus,
)
search.fit(X, y)
print(f"best: {search.best_params_} {search.best_score_:.6f}")

results = pd.DataFrame(search.cv_results_)
columns = [name for name in results if name.startswith("param_")] + ["mean_test_score", "std_test_score", "rank_test_score"]
results[columns].to_csv(os.path.join(os.environ["SM_OUTPUT_DATA_DIR"], "search.csv"), index=False)
wine.iloc[:, :-1].to_csv(os.path.join(os.environ["SM_OUTPUT_DATA_DIR"], "rows.csv"), index=False)
joblib.dump(search.best_estimator_, os.path.join(os.environ["SM_MODEL_DIR"], "model.joblib"))
