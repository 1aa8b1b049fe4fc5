"""Objects of a store that several clients write, copy, move and read by turns.

obstore neither copies nor moves here: it does not say which version comes of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from drawing import Drawing, Program, Sources

WAYS = ("pd.read_csv('{}')", "pl.read_csv('{}').to_pandas()")
START = (
    "import boto3, fsspec, obstore, s3fs",
    "from obstore.store import S3Store",
    "s3 = boto3.client('s3')",
    "files = s3fs.S3FileSystem()",
    "stored = S3Store('lake', endpoint=os.environ['AWS_ENDPOINT_URL'],"
    " client_options={'allow_http': True})",
)
WRITES = (
    "{a}.to_csv('s3://lake/{k}', index=False)",
    "with files.open('s3://lake/{k}', 'w') as file: {a}.to_csv(file, index=False)",
    "with fsspec.open('s3://lake/{k}', 'w') as file: {a}.to_csv(file, index=False)",
    "{a}.to_csv('local.csv', index=False); s3.upload_file('local.csv', 'lake', '{k}')",
    "{a}.to_csv('local.csv', index=False);"
    " s3.put_object(Bucket='lake', Key='{k}', Body=open('local.csv', 'rb'))",
    "{a}.to_csv('local.csv', index=False); files.put('local.csv', 'lake/{k}')",
    "{a}.to_csv('local.csv', index=False); obstore.put(stored, '{k}', Path('local.csv'))",
)
COPIES = (
    "s3.copy_object(Bucket='lake', Key='{t}', CopySource='lake/{k}')",
    "s3.copy({{'Bucket': 'lake', 'Key': '{k}'}}, 'lake', '{t}')",
    "files.copy('lake/{k}', 'lake/{t}')",
    "s3.download_file('lake', '{k}', 'there.csv'); files.put('there.csv', 'lake/{t}')",
    "files.get('lake/{k}', 'there.csv'); shutil.copy('there.csv', 'again.csv');"
    " s3.upload_file('again.csv', 'lake', '{t}')",
)
MOVES = (
    "files.mv('lake/{k}', 'lake/{t}')",
    "s3.copy_object(Bucket='lake', Key='{t}', CopySource='lake/{k}');"
    " s3.delete_object(Bucket='lake', Key='{k}')",
)
READS = (
    "{t} = pd.read_csv('s3://lake/{k}')",
    "{t} = pd.read_csv(files.open('lake/{k}'))",
    "with fsspec.open('s3://lake/{k}') as file: {t} = pd.read_csv(file)",
    "s3.download_file('lake', '{k}', 'got.csv'); {t} = pl.read_csv('got.csv').to_pandas()",
    "{t} = pd.read_csv(s3.get_object(Bucket='lake', Key='{k}')['Body'])",
    "{t} = pd.read_csv(io.BytesIO(s3.get_object(Bucket='lake', Key='{k}')['Body'].read()))",
    "files.get('lake/{k}', 'got.csv'); {t} = duckdb.sql(\"select * from 'got.csv'\").df()",
    "{t} = pd.read_csv(io.BytesIO(obstore.get(stored, '{k}').bytes().to_bytes()))",
)


@dataclass
class Stores(Drawing):
    """What the objects come from, by their keys."""

    objects: dict[str, Sources] = field(default_factory=dict)

    def key(self) -> str:
        return f"data/{self.random.randrange(5)}.csv"

    def write(self) -> None:
        a, key = self.table(), self.key()
        self.lines.append(self.pick(WRITES).format(a=a, k=key))
        self.objects[key] = self.tables[a]

    def carry(self) -> None:
        """Copy, or move."""
        if not self.objects:
            return
        key, other = self.pick(self.objects), self.key()
        if key != other:
            moves = self.random.random() < 0.3
            self.lines.append(self.pick(MOVES if moves else COPIES).format(k=key, t=other))
            self.objects[other] = self.objects.pop(key) if moves else self.objects[key]

    def read(self) -> None:
        if self.objects:
            key, name = self.pick(self.objects), self.name("got")
            self.lines += ["files.invalidate_cache()", self.pick(READS).format(k=key, t=name)]
            self.add(f"{name}.assign(v={name}.v + {self.fraction()})", self.objects[key])

    def join(self) -> None:
        self.step(("pd.concat([{a}, {b}])", "{a}.assign(v={a}.v * {c})"))


def drawn(seed: int) -> Program:
    stores = Stores(seed, list(START))
    stores.begin(WAYS)
    steps = (Stores.write, Stores.write, Stores.carry, Stores.carry, Stores.read, Stores.read)
    return stores.draw((*steps, Stores.join), 20)
