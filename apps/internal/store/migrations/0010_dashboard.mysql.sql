-- What pages of the dashboard need. Each block is of one purpose, and stands alone.

-- Operations. program_states has a row for each running program, which writes it every
-- few seconds: what it says about itself, as JSON of ids and numbers. outcome_minutes
-- has how many images a processor finished in a minute, by outcome: a processor writes
-- its own rows again while the minute lasts. image_totals has how many images there
-- were at the first look in a minute, by outcome. A minute is Unix time divided by 60.
-- Rows that are old are swept. No row here has a name or a path.

CREATE TABLE IF NOT EXISTS program_states (
  program VARCHAR(32) ${EXACT} NOT NULL,
  instance VARCHAR(128) ${EXACT} NOT NULL,
  seen_at DATETIME(6) NOT NULL,
  state MEDIUMTEXT ${EXACT} NOT NULL,
  PRIMARY KEY (program, instance)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE IF NOT EXISTS outcome_minutes (
  minute BIGINT NOT NULL,
  instance VARCHAR(128) ${EXACT} NOT NULL,
  reason VARCHAR(32) ${EXACT} NOT NULL,
  images BIGINT NOT NULL,
  PRIMARY KEY (minute, instance, reason)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE IF NOT EXISTS image_totals (
  minute BIGINT NOT NULL,
  reason VARCHAR(32) ${EXACT} NOT NULL,
  images BIGINT NOT NULL,
  PRIMARY KEY (minute, reason)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
