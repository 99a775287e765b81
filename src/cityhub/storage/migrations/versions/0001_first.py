"""The first schema: entities with their indexes, records, tenants, the journal and its readers."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SCHEMA = """
-- Texts compare by code point everywhere, as Python compares them.
CREATE TABLE cityhub.tenant (name text COLLATE "C" PRIMARY KEY);

-- A shape is a set of types with a set of attributes and their kinds. Entities of one feed share one, so that type
-- and attribute conditions are answered on this small table, and an update that keeps the shape touches no index.
-- Shapes are never removed: an id that a hub has learnt stays right.
CREATE TABLE cityhub.shape (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    digest bytea NOT NULL UNIQUE,
    types text[] NOT NULL,
    attributes text[] NOT NULL,
    kinds text[] NOT NULL
);
CREATE INDEX shape_types ON cityhub.shape USING gin (types);
CREATE INDEX shape_attributes ON cityhub.shape USING gin (attributes);

-- Documents are JSON in UTF-8, which the server need not look into; the view `entities` is for people.
-- seq is the journal position of the entity's creation: the order of creation. The entity expires at expires_at, it
-- or the first of its attributes at ends_at.
CREATE TABLE cityhub.entity (
    seq bigint PRIMARY KEY,
    tenant text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    shape bigint NOT NULL,
    scopes text[],
    expires_at text COLLATE "C",
    ends_at text COLLATE "C",
    document bytea NOT NULL,
    UNIQUE (tenant, id)
) WITH (fillfactor = 80);
CREATE INDEX entity_order ON cityhub.entity (tenant, seq);
CREATE INDEX entity_shape ON cityhub.entity (tenant, shape, seq) INCLUDE (expires_at);
CREATE INDEX entity_scopes ON cityhub.entity USING gin (scopes) WHERE scopes IS NOT NULL;
CREATE INDEX entity_end ON cityhub.entity (ends_at) WHERE ends_at IS NOT NULL;

-- Bounding boxes of GeoProperties; area is a hash of tenant and attribute.
CREATE TABLE cityhub.place (
    seq bigint NOT NULL,
    area bigint NOT NULL,
    box geometry(Polygon, 4326) NOT NULL
);
CREATE INDEX place_box ON cityhub.place USING gist (area, box);
CREATE INDEX place_seq ON cityhub.place (seq);

-- Values that queries have asked for so often that they have an index. A row without number and text stands for an
-- entity with too many values to list: always a candidate.
CREATE TABLE cityhub.value_path (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    attribute text COLLATE "C" NOT NULL,
    path text[] NOT NULL,
    ready boolean NOT NULL DEFAULT false,
    UNIQUE (attribute, path)
);
CREATE TABLE cityhub.value (
    seq bigint NOT NULL,
    path integer NOT NULL,
    tenant text COLLATE "C" NOT NULL,
    number double precision,
    text text COLLATE "C"
);
CREATE INDEX value_number ON cityhub.value (path, tenant, number) WHERE number IS NOT NULL;
CREATE INDEX value_text ON cityhub.value (path, tenant, text) WHERE text IS NOT NULL;
CREATE INDEX value_unlisted ON cityhub.value (path, tenant) WHERE number IS NULL AND text IS NULL;
CREATE INDEX value_seq ON cityhub.value (seq);

CREATE TABLE cityhub.record (
    seq bigint NOT NULL,
    collection text COLLATE "C" NOT NULL,
    tenant text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    document bytea NOT NULL,
    PRIMARY KEY (collection, tenant, id)
);

CREATE TABLE cityhub.journal (
    position bigint PRIMARY KEY,
    collection text COLLATE "C" NOT NULL,
    tenant text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    kind text NOT NULL,
    at text COLLATE "C" NOT NULL,
    trace text NOT NULL,
    attributes bytea,
    before bytea,
    after bytea
);
CREATE TABLE cityhub.journal_head (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    last bigint NOT NULL
) WITH (fillfactor = 10);
INSERT INTO cityhub.journal_head (last) VALUES (0);

CREATE VIEW cityhub.entities AS
    SELECT tenant, id, seq, expires_at, convert_from(document, 'UTF8')::json AS document FROM cityhub.entity;

CREATE TABLE cityhub.reader (name text COLLATE "C" PRIMARY KEY, position bigint NOT NULL);
"""


def upgrade() -> None:
    """Creates everything."""
    op.execute(SCHEMA)


def downgrade() -> None:
    """There is nothing before the first schema."""
    raise NotImplementedError("The first schema cannot be undone; restore a backup into an empty database")
