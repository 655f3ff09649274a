-- Longer descriptors, the rule of deciding, warnings. Programs of the second
-- version write rows without these columns: each has a default that means "not
-- known".
--
-- A descriptor of more than 128 numbers is in two columns: release 0.1.0 cannot
-- show a face whose column descriptor has more than 512 bytes, and runs beside
-- this one during a rollout.

ALTER TABLE faces
  ADD COLUMN descriptor_rest VARBINARY(3584) NOT NULL DEFAULT '',
  ADD COLUMN best_parts VARCHAR(100) ${EXACT} NOT NULL DEFAULT '',
  ADD COLUMN second_parts VARCHAR(100) ${EXACT} NOT NULL DEFAULT '',
  ADD COLUMN quality_detection DOUBLE NOT NULL DEFAULT 0,
  ADD COLUMN quality_cut_off DOUBLE NOT NULL DEFAULT 0;

ALTER TABLE images
  ADD COLUMN warning VARCHAR(500) ${EXACT} NOT NULL DEFAULT '',
  ADD COLUMN omitted INT NOT NULL DEFAULT 0;

ALTER TABLE models
  ADD COLUMN size INT NOT NULL DEFAULT 0,
  ADD COLUMN networks VARCHAR(255) ${EXACT} NOT NULL DEFAULT '',
  ADD COLUMN far_threshold DOUBLE NOT NULL DEFAULT 0,
  ADD COLUMN far_margin DOUBLE NOT NULL DEFAULT 0,
  ADD COLUMN floor_size INT NOT NULL DEFAULT 0,
  ADD COLUMN floor_sharpness DOUBLE NOT NULL DEFAULT 0,
  ADD COLUMN floor_yaw DOUBLE NOT NULL DEFAULT 0,
  ADD COLUMN floor_cut_off DOUBLE NOT NULL DEFAULT 0,
  ADD COLUMN floor_detection DOUBLE NOT NULL DEFAULT 0;

ALTER TABLE corrections
  ADD COLUMN descriptor_rest VARBINARY(3584) NOT NULL DEFAULT '';

ALTER TABLE rematch_state
  ADD COLUMN rule VARCHAR(64) ${EXACT} NOT NULL DEFAULT '';

ALTER TABLE rematches
  ADD COLUMN rule VARCHAR(64) ${EXACT} NOT NULL DEFAULT '';
