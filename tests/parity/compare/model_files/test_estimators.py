"""Fitted models: on the same data the same, on another sample different; of every kind that teams have."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import joblib
import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import DBSCAN, KMeans
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.datasets import make_classification
from sklearn.decomposition import NMF, PCA, TruncatedSVD
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.impute import KNNImputer
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import Lasso, LogisticRegression, Ridge, SGDClassifier
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KernelDensity, KNeighborsClassifier, LocalOutlierFactor, RadiusNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, QuantileTransformer, StandardScaler
from sklearn.svm import SVC, LinearSVC, OneClassSVM
from sklearn.tree import DecisionTreeClassifier

from tests.parity.compare.model_files.pairs_of_models import WRITERS, differences, pickler, places

if TYPE_CHECKING:
    from collections.abc import Callable


class Ensemble:
    """A team's own model: others inside, slots, a matrix of objects, and a table."""

    __slots__ = ("__dict__", "models", "names")

    def __init__(self) -> None:
        self.models: list[Any] = []
        self.names = np.empty((1, 2), dtype=object)

    def fit(self, rows: Any, labels: Any) -> Ensemble:
        """Two models on halves of the columns, and what was seen of them."""
        self.models = [
            DecisionTreeClassifier(max_depth=3, random_state=0).fit(part, labels) for part in np.array_split(rows, 2, 1)
        ]
        self.names[:] = [["left", self.models[0]]]
        self.table = pd.DataFrame(rows).describe()
        self.itself = self
        return self


class Bundle:
    """Fits a model and puts it beside other things."""

    def fit(self, rows: Any, labels: Any) -> Any:
        """A dictionary, as teams save one."""
        return {"model": LogisticRegression().fit(rows, labels), "columns": list("abcdef"), "nan": float("nan")}


class Words:
    """Fits a model on rows of words."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def fit(self, rows: Any, _: Any) -> Any:
        """Each row as a sentence."""
        return self.model.fit([" ".join(f"w{int(value * 3) % 9}" for value in row) for row in rows])


class Table:
    """Fits a model on a table of pandas with words, numbers, missing values and labels that are words."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def fit(self, rows: Any, labels: Any) -> Any:
        """The same rows as a table."""
        table = pd.DataFrame(rows, columns=list("abcdef"))
        table["kind"] = np.where(table.a > 0, "high", "low")
        table.loc[::17, "b"] = np.nan
        return self.model.fit(table, pd.Series(np.array(["red", "green", "blue"], dtype=object)[labels]))


class Dictionaries:
    """Fits a model on rows that are dictionaries."""

    def fit(self, rows: Any, _: Any) -> Any:
        """Names that depend on the sample."""
        return DictVectorizer().fit([{f"f{int(row[0] * 100)}": row[1]} for row in rows])


def column_transformer() -> Any:
    """A table's usual way into a model."""
    numbers = make_pipeline(KNNImputer(), StandardScaler())
    return make_pipeline(
        ColumnTransformer([("n", numbers, list("abcdef")), ("w", OneHotEncoder(handle_unknown="ignore"), ["kind"])]),
        RandomForestClassifier(3, random_state=0),
    )


KINDS: dict[str, Callable[[], Any]] = {
    "forest": lambda: RandomForestClassifier(5, random_state=0),
    "extra trees": lambda: ExtraTreesRegressor(5, random_state=0),
    "gradient boosting": lambda: GradientBoostingClassifier(n_estimators=4, random_state=0),
    "histogram boosting": lambda: HistGradientBoostingClassifier(max_iter=4, random_state=0),
    "ada boost": lambda: AdaBoostClassifier(n_estimators=4, random_state=0),
    "bagging": lambda: BaggingClassifier(n_estimators=4, random_state=0),
    "pipeline": lambda: make_pipeline(StandardScaler(), LogisticRegression()),
    "union": lambda: make_pipeline(FeatureUnion([("a", PCA(2)), ("b", SelectKBest(f_classif, k=2))]), LogisticRegression()),
    "column transformer": lambda: Table(column_transformer()),
    "labels of words": lambda: Table(make_pipeline(ColumnTransformer([("n", KNNImputer(), list("abcdef"))]), SVC())),
    "neighbours": KNeighborsClassifier,
    "neighbours, ball tree": lambda: KNeighborsClassifier(algorithm="ball_tree"),
    "neighbours, all": lambda: KNeighborsClassifier(algorithm="brute"),
    "radius": lambda: RadiusNeighborsClassifier(5.0),
    "density": KernelDensity,
    "outliers, local": lambda: LocalOutlierFactor(novelty=True),
    "outliers, forest": lambda: IsolationForest(n_estimators=4, random_state=0),
    "svc": SVC,
    "svc, linear": LinearSVC,
    "svm, one class": OneClassSVM,
    "logistic": LogisticRegression,
    "lasso": lambda: Lasso(alpha=0.001),
    "sgd": lambda: SGDClassifier(random_state=0),
    "perceptron": lambda: MLPClassifier((4,), max_iter=20, random_state=0),
    "bayes": GaussianNB,
    "process": lambda: GaussianProcessClassifier(random_state=0),
    "mixture": lambda: GaussianMixture(2, random_state=0),
    "k-means": lambda: KMeans(3, random_state=0, n_init=1),
    "dbscan": lambda: DBSCAN(2.0),
    "pca": PCA,
    "svd": lambda: TruncatedSVD(2, random_state=0),
    "nmf of words": lambda: Words(make_pipeline(TfidfVectorizer(), NMF(2, random_state=0, init="nndsvda"))),
    "tf-idf": lambda: Words(TfidfVectorizer()),
    "dictionaries": Dictionaries,
    "quantiles": lambda: QuantileTransformer(n_quantiles=50),
    "function": lambda: make_pipeline(FunctionTransformer(np.log1p), FunctionTransformer(np.nan_to_num), Ridge()),
    "isotonic": lambda: make_pipeline(PCA(1), FunctionTransformer(np.ravel), IsotonicRegression()),
    "search": lambda: GridSearchCV(SVC(), {"C": [0.1, 1, 10]}, cv=2),
    "search in a pipeline": lambda: make_pipeline(StandardScaler(), GridSearchCV(LinearSVC(), {"C": [0.1, 1]}, cv=2)),
    "stack": lambda: StackingClassifier([("a", GaussianNB()), ("b", DecisionTreeClassifier(random_state=0))], cv=2),
    "vote": lambda: VotingClassifier([("a", GaussianNB()), ("b", DecisionTreeClassifier(random_state=0))]),
    "calibrated": lambda: CalibratedClassifierCV(LinearSVC(), cv=2),
    "one against the rest": lambda: OneVsRestClassifier(LogisticRegression()),
    "target": lambda: TransformedTargetRegressor(Ridge(), func=np.log1p, inverse_func=np.expm1),
    "lightgbm": lambda: lightgbm.LGBMClassifier(n_estimators=4, verbose=-1, n_jobs=1),
    "lightgbm of a table": lambda: make_pipeline(PCA(3), lightgbm.LGBMRegressor(n_estimators=4, verbose=-1, n_jobs=1)),
    "xgboost": lambda: xgboost.XGBClassifier(n_estimators=4, n_jobs=1),
    "bundle": Bundle,
    "a team's own": Ensemble,
}


def fit(make: Callable[[], Any], seed: int) -> Any:
    """A model of a sample."""
    rows, labels = make_classification(240, 6, n_informative=4, n_classes=3, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of models that have not converged
        return make().fit(rows, labels)


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
def test_the_same_sample_gives_the_same_model_and_another_sample_another(make: Callable[[], Any]) -> None:
    """By joblib and by pickle, from the first protocol to the last; a copy that went through a file is the same too."""
    model, again, other = fit(make, 1), fit(make, 1), fit(make, 2)
    for write in (joblib.dump, pickler(5), WRITERS["cloudpickle"], WRITERS["joblib, zlib"]):
        assert differences(model, again, write) == ()
        assert differences(model, other, write)


@pytest.mark.parametrize("seed", range(3, 9))
@pytest.mark.parametrize("kind", ["forest", "pipeline", "neighbours", "bundle", "svc", "tf-idf", "lightgbm"])
def test_two_samples_never_give_one_model(kind: str, seed: int) -> None:
    """Whichever they are."""
    assert differences(fit(KINDS[kind], seed), fit(KINDS[kind], seed + 100))


def test_one_number_anywhere_is_found() -> None:
    """In a tree of a forest, in a step of a pipeline, in the rows that a neighbour remembers."""
    forest = fit(KINDS["forest"], 1)
    changed = fit(KINDS["forest"], 1)
    changed.estimators_[3].tree_.value[0, 0, 0] += 1e-12
    assert places(differences(forest, changed)) == ["/fitted/estimators_/3/tree_/values[0, 0, 0]"]
    neighbours, moved = fit(KINDS["neighbours, all"], 1), fit(KINDS["neighbours, all"], 1)
    moved._fit_X[7, 2] = np.nextafter(moved._fit_X[7, 2], 9)
    assert places(differences(neighbours, moved)) == ["/fitted/_fit_X[7, 2]"]
    assert differences(neighbours, moved, rtol=1e-12) == ()


def test_places_are_those_that_people_ignore() -> None:
    """`/parameters/name` and `/fitted/name` of the estimator, and below it the names of its parts."""
    left, right = SVC(C=1).fit([[0], [1]], [0, 1]), SVC(C=2).fit([[0], [1]], [0, 1])
    assert "/parameters/C" in places(differences(left, right))
    assert differences(left, SVC(C=1, verbose=1), ignore=("/parameters/*", "/fitted/*")) == ()
    assert places(differences(left, Ridge()))[0] == "/class"
    steps = [make_pipeline(StandardScaler(), Ridge(alpha=alpha)) for alpha in (1, 2)]
    assert places(differences(*steps)) == ["/parameters/steps/1/1/alpha"]


def test_how_long_a_search_took_is_no_difference() -> None:
    """Its times are another one's in every run; its scores are not."""
    left, right = fit(KINDS["search"], 1), fit(KINDS["search"], 1)
    right.refit_time_ += 1
    right.cv_results_["mean_fit_time"] += 1
    assert differences(left, right) == ()
    right.cv_results_["mean_test_score"] += 1
    assert places(differences(left, right)) == ["/fitted/cv_results_/mean_test_score[0]"]
