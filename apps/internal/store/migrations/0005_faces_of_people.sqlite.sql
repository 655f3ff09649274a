-- A person's images are read in pages, newest first. This index holds the faces
-- that show a person in the order of their images; without it, each page reads
-- all of the person's faces.

CREATE INDEX faces_shows ON faces (best_person_id, reason, image_id);
