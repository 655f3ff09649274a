-- People that are edited: hidden ones, covers, versions for compare-and-set,
-- merges that can be undone, and where known pictures come from.

ALTER TABLE person ADD COLUMN hidden BOOLEAN NOT NULL DEFAULT 0;
ALTER TABLE person ADD COLUMN cover_id INTEGER NOT NULL DEFAULT 0;
ALTER TABLE person ADD COLUMN version INTEGER NOT NULL DEFAULT 0;

ALTER TABLE person_images ADD COLUMN source TEXT NOT NULL DEFAULT '';
ALTER TABLE person_images ADD COLUMN face_id INTEGER NOT NULL DEFAULT 0;
ALTER TABLE person_images ADD COLUMN sha256 TEXT NOT NULL DEFAULT '';
ALTER TABLE person_images ADD COLUMN added_at DATETIME NULL;

-- The names of people's folders after a rename, a merge or a deletion (person_id
-- 0), so that standalone does not make new people of them.
CREATE TABLE person_folders (
  name TEXT NOT NULL PRIMARY KEY,
  person_id INTEGER NOT NULL
);
CREATE INDEX person_folders_person ON person_folders (person_id);

CREATE TABLE merges (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  person_id INTEGER NOT NULL,
  person_name TEXT NOT NULL,
  merged_id INTEGER NOT NULL,
  merged_name TEXT NOT NULL,
  merged_hidden BOOLEAN NOT NULL,
  merged_cover_id INTEGER NOT NULL,
  images INTEGER NOT NULL,
  known_images TEXT NOT NULL,
  corrections TEXT NOT NULL,
  created_at DATETIME NOT NULL,
  undone_at DATETIME NULL
);
CREATE INDEX merges_person ON merges (person_id, id);
