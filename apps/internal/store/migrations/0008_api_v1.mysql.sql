-- What the second half of /api/v1 needs. Each block is of one purpose.

-- Lists of images by how near an uncertain answer was to being certain, and faces
-- that were drawn by hand and wait for their descriptor. Programs of the seventh
-- version write neither column: an image of theirs is the last among the uncertain
-- ones until it is decided again, and a face of theirs is found when the next
-- program takes the lease of re-matching.

ALTER TABLE images
  ADD COLUMN certainty INT NOT NULL DEFAULT 0,
  ADD KEY images_certainty (status, reason, certainty, id);

-- The same as faces.Certainty.
UPDATE images SET certainty = COALESCE((
    SELECT MAX(ROUND(1000 * GREATEST(0, LEAST(1,
      CASE WHEN faces.second_person_id IN (-1, faces.best_person_id) OR models.margin <= 0 THEN 1
        ELSE (faces.second_distance - faces.best_distance) / models.margin END,
      CASE WHEN faces.reason = 'uncertain' THEN 1 ELSE LEAST(
        CASE WHEN models.floor_size > 0 THEN faces.quality_size / models.floor_size ELSE 1 END,
        CASE WHEN models.floor_sharpness > 0 THEN faces.quality_sharpness / models.floor_sharpness ELSE 1 END,
        CASE WHEN models.floor_detection > 0 AND faces.quality_detection <> 0 THEN faces.quality_detection / models.floor_detection ELSE 1 END,
        CASE WHEN models.floor_yaw > 0 AND models.floor_yaw < 90 THEN (90 - ABS(faces.quality_yaw)) / (90 - models.floor_yaw) ELSE 1 END,
        CASE WHEN models.floor_cut_off > 0 AND models.floor_cut_off < 1 THEN (1 - faces.quality_cut_off) / (1 - models.floor_cut_off) ELSE 1 END) END))))
    FROM faces JOIN models ON models.id = faces.model
    WHERE faces.image_id = images.id AND faces.best_person_id <> -1 AND models.threshold > 0
      AND (faces.reason = 'uncertain'
        OR faces.reason IN ('too_small', 'blurred', 'turned_away', 'cut_off') AND faces.best_distance <= models.threshold)
  ), 0) WHERE status = 0 AND reason = 'uncertain';

ALTER TABLE corrections
  ADD COLUMN describe_at DATETIME(6) NULL,
  ADD KEY corrections_describe (describe_at);

UPDATE corrections SET describe_at = created_at WHERE kind = 'drawn' AND undone_at IS NULL;

-- The answers to requests with an Idempotency-Key, so that a request
-- that is repeated gets the answer of the first and does nothing twice. key_sha256
-- is that of the API key's id, the user and the header; nothing here tells them.
-- status is 0 while the first request is under way; then its lease counts. acted is
-- set in the transaction of what the request changes.

CREATE TABLE IF NOT EXISTS idempotency_keys (
  key_sha256 VARBINARY(32) NOT NULL PRIMARY KEY,
  head_sha256 VARBINARY(32) NOT NULL,
  body_sha256 VARBINARY(32) NULL,
  body_size BIGINT NOT NULL DEFAULT 0,
  token BIGINT NOT NULL,
  lease_until DATETIME(6) NOT NULL,
  status INT NOT NULL DEFAULT 0,
  acted BOOLEAN NOT NULL DEFAULT 0,
  headers TEXT ${EXACT} NOT NULL,
  answer MEDIUMBLOB NULL,
  expires_at DATETIME(6) NOT NULL,
  KEY idempotency_keys_expires (expires_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- The name that an uploaded file had where it came from.

ALTER TABLE images
  ADD COLUMN file_name VARCHAR(255) ${EXACT} NOT NULL DEFAULT '';

-- An id of each known picture for callers that were written
-- for CompreFace, a UUID. It is NULL in rows of older programs and of others' SQL,
-- until such a caller lists them. Rows that are there already get one that has their
-- own id, of UUID's version 8.

ALTER TABLE person_images
  ADD COLUMN public_id VARCHAR(36) ${EXACT} NULL,
  ADD UNIQUE KEY person_images_public_id (public_id);

UPDATE person_images SET public_id = CONCAT('00000000-0000-8000-8000-', LPAD(LOWER(HEX(id)), 12, '0')) WHERE public_id IS NULL;

-- Events. A change adds rows to outbox in its own transaction. Ids of
-- AUTO_INCREMENT become visible out of order, so readers do not read them: a
-- receiver moves committed rows to events and gives each the next seq. Both have
-- ids only, so that they hold nobody's name and no path.

CREATE TABLE IF NOT EXISTS outbox (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  type VARCHAR(32) ${EXACT} NOT NULL,
  cause VARCHAR(32) ${EXACT} NOT NULL DEFAULT '',
  created_at DATETIME(6) NOT NULL,
  image_id BIGINT NOT NULL DEFAULT 0,
  reason VARCHAR(64) ${EXACT} NOT NULL DEFAULT '',
  people VARCHAR(1000) ${EXACT} NOT NULL DEFAULT '',
  person_id BIGINT NOT NULL DEFAULT 0,
  other_id BIGINT NOT NULL DEFAULT 0
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE IF NOT EXISTS events (
  seq BIGINT NOT NULL PRIMARY KEY,
  type VARCHAR(32) ${EXACT} NOT NULL,
  cause VARCHAR(32) ${EXACT} NOT NULL DEFAULT '',
  created_at DATETIME(6) NOT NULL,
  image_id BIGINT NOT NULL DEFAULT 0,
  reason VARCHAR(64) ${EXACT} NOT NULL DEFAULT '',
  people VARCHAR(1000) ${EXACT} NOT NULL DEFAULT '',
  person_id BIGINT NOT NULL DEFAULT 0,
  other_id BIGINT NOT NULL DEFAULT 0
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- One row: the last seq that was given, and the last one that was deleted.

CREATE TABLE IF NOT EXISTS event_state (
  id INT NOT NULL PRIMARY KEY,
  last_seq BIGINT NOT NULL DEFAULT 0,
  swept_seq BIGINT NOT NULL DEFAULT 0
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

INSERT IGNORE INTO event_state (id) VALUES (1);

-- Webhooks. secret and old_secret are encrypted; a declared webhook has its secret
-- in a file. webhook_deliveries has no addresses and no names, and is bounded.

CREATE TABLE IF NOT EXISTS webhooks (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  name VARCHAR(100) ${EXACT} NOT NULL,
  url VARCHAR(2000) ${EXACT} NOT NULL,
  types VARCHAR(500) ${EXACT} NOT NULL DEFAULT '',
  state VARCHAR(16) ${EXACT} NOT NULL DEFAULT 'active',
  declared BOOLEAN NOT NULL DEFAULT 0,
  secret VARCHAR(500) ${EXACT} NOT NULL DEFAULT '',
  old_secret VARCHAR(500) ${EXACT} NOT NULL DEFAULT '',
  old_until DATETIME(6) NULL,
  delivered BIGINT NOT NULL DEFAULT 0,
  failing_since DATETIME(6) NULL,
  failures INT NOT NULL DEFAULT 0,
  next_attempt DATETIME(6) NULL,
  lease_token BIGINT NOT NULL DEFAULT 0,
  lease_until DATETIME(6) NULL,
  created_at DATETIME(6) NOT NULL,
  updated_at DATETIME(6) NOT NULL,
  UNIQUE KEY webhooks_name (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE IF NOT EXISTS webhook_deliveries (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  webhook_id BIGINT NOT NULL,
  event_id BIGINT NOT NULL DEFAULT 0,
  message VARCHAR(64) ${EXACT} NOT NULL,
  type VARCHAR(32) ${EXACT} NOT NULL,
  ok BOOLEAN NOT NULL,
  status INT NOT NULL DEFAULT 0,
  problem VARCHAR(255) ${EXACT} NOT NULL DEFAULT '',
  took_ms BIGINT NOT NULL DEFAULT 0,
  created_at DATETIME(6) NOT NULL,
  KEY webhook_deliveries_webhook (webhook_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
