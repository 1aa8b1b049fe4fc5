"""Steps through estimators: what is predicted comes from what was learned and what was asked."""

from __future__ import annotations

from collections.abc import Callable

from drawing import Drawing, Program
from drawn_frames import WAYS, through

START = (
    "import lightgbm, xgboost",
    "from sklearn.cluster import KMeans",
    "from sklearn.compose import ColumnTransformer",
    "from sklearn.decomposition import PCA",
    "from sklearn.ensemble import RandomForestRegressor, VotingRegressor",
    "from sklearn.feature_extraction.text import CountVectorizer",
    "from sklearn.impute import SimpleImputer",
    "from sklearn.model_selection import GridSearchCV, cross_val_predict, train_test_split",
    "from sklearn.neighbors import KNeighborsRegressor",
    "from sklearn.preprocessing import FunctionTransformer, OneHotEncoder",
    "from sklearn.tree import DecisionTreeClassifier",
)

OF_ONE = (
    "{a}.assign(v=KMeans(2, n_init=1, random_state=0).fit_predict({a}[['k', 'v']])).iloc[1:]",
    "{a}.assign(v=PCA(1).fit_transform({a}[['k', 'v']])[:, 0]).iloc[1:]",
    "{a}.assign(v=cross_val_predict(Ridge(), {a}[['k']], {a}.v, cv=2)).iloc[1:]",
    "train_test_split({a}, test_size=0.3, random_state=1)[0]",
    "train_test_split({a}, random_state=1)[1].assign(v=lambda table: table.v + {c})",
    "{a}.assign(v=SimpleImputer().fit_transform({a}[['v']])[:, 0]).iloc[2:]",
    "{a}.assign(v=OneHotEncoder(sparse_output=False).fit_transform({a}[['s']])[:, 0]).iloc[1:]",
    "{a}.assign(v=CountVectorizer(analyzer='char').fit_transform({a}.s).toarray()[:, 0]).iloc[1:]",
    "{a}.assign(v=FunctionTransformer(lambda table: table + {c}).fit_transform({a}[['v']]).v)",
    "StandardScaler().set_output(transform='pandas').fit_transform({a}[['k', 'v']]).assign(s='x')",
    "(lambda parts: parts[1].assign(v=Ridge().fit(parts[0][['k']], parts[0].v)"
    ".predict(parts[1][['k']])))(train_test_split({a}, random_state=2))",
)
MODELS = (
    "GridSearchCV(Ridge(), {{'alpha': [0.1, {c}]}}, cv=2)",
    "RandomForestRegressor(3, random_state=0, n_jobs=2)",
    "VotingRegressor([('one', Ridge({c})), ('two', LinearRegression())])",
    "KNeighborsRegressor(2)",
    "make_pipeline(StandardScaler(), Ridge({c}))",
    "make_pipeline(ColumnTransformer([('k', MinMaxScaler(), ['k'])]), LinearRegression())",
    "xgboost.XGBRegressor(n_estimators=2, max_depth=2, n_jobs=1)",
    "lightgbm.LGBMRegressor(n_estimators=2, min_child_samples=2, verbose=-1, n_jobs=1)",
    "pickle.loads(pickle.dumps(Ridge({c})))",
)
OF_TWO = (
    *(
        f"{{a}}.assign(v={model}.fit({{b}}[['k']], {{b}}.v).predict({{a}}[['k']])).iloc[1:]"
        for model in MODELS
    ),
    "{a}.assign(v=DecisionTreeClassifier(max_depth=2).fit({b}[['v']], {b}.s == {b}.s.iloc[0])"
    ".predict_proba({a}[['v']])[:, 0]).iloc[1:]",
    "{a}.assign(v=xgboost.train({{'max_depth': 2}}, xgboost.DMatrix({b}[['k']], {b}.v), 2)"
    ".predict(xgboost.DMatrix({a}[['k']]))).iloc[1:]",
    "{a}.assign(v=lightgbm.train({{'verbose': -1, 'min_data_in_leaf': 2}},"
    " lightgbm.Dataset({b}[['k']], {b}.v), 2).predict({a}[['k']])).iloc[1:]",
    "{a}.assign(v=MinMaxScaler().fit({b}[['v']].to_numpy()).transform({a}[['v']].to_numpy())[:, 0])"
    ".iloc[1:]",
    "(joblib.dump(Ridge({c}).fit({b}[['k']], {b}.v), 'last.joblib'),"
    " {a}.assign(v=joblib.load('last.joblib').predict({a}[['k']])).iloc[1:])[1]",
    "pd.concat([{a}, {b}])",
)


def of_one(drawing: Drawing) -> None:
    drawing.step(OF_ONE)


def of_two(drawing: Drawing) -> None:
    drawing.step(OF_TWO)


STEPS: tuple[Callable[[Drawing], None], ...] = (of_one, of_one, of_two, of_two, through)


def drawn(seed: int) -> Program:
    drawing = Drawing(seed, list(START))
    drawing.begin(WAYS)
    return drawing.draw(STEPS, 12)
