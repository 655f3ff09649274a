-- A person's images are read in pages, newest first. This index holds the faces
-- that show a person in the order of their images; without it, each page reads
-- all of the person's faces.

ALTER TABLE faces
  ADD KEY faces_shows (best_person_id, reason, image_id);
