-- What pages of the dashboard need. Each block is of one purpose, and stands alone.

-- Operations. program_states has a row for each running program, which writes it every
-- few seconds: what it says about itself, as JSON of ids and numbers. outcome_minutes
-- has how many images a processor finished in a minute, by outcome: a processor writes
-- its own rows again while the minute lasts. image_totals has how many images there
-- were at the first look in a minute, by outcome. A minute is Unix time divided by 60.
-- Rows that are old are swept. No row here has a name or a path.

CREATE TABLE program_states (
  program TEXT NOT NULL,
  instance TEXT NOT NULL,
  seen_at DATETIME NOT NULL,
  state TEXT NOT NULL,
  PRIMARY KEY (program, instance)
);

CREATE TABLE outcome_minutes (
  minute INTEGER NOT NULL,
  instance TEXT NOT NULL,
  reason TEXT NOT NULL,
  images INTEGER NOT NULL,
  PRIMARY KEY (minute, instance, reason)
);

CREATE TABLE image_totals (
  minute INTEGER NOT NULL,
  reason TEXT NOT NULL,
  images INTEGER NOT NULL,
  PRIMARY KEY (minute, reason)
);
