-- Accounts
SELECT users.*, (SELECT COUNT(*) FROM user_passwords WHERE user_id = users.id) AS password, (SELECT COUNT(*) FROM user_identities WHERE user_id = users.id) AS provider, (SELECT COUNT(*) FROM sign_in_codes WHERE user_id = users.id AND expires_at > :time) AS invited FROM users ORDER BY name LIMIT :int;

-- AddCode
DELETE FROM `sign_in_codes` WHERE expires_at <= :time OR user_id = :int;

-- AddCode
DELETE FROM `sign_in_codes` WHERE kind = :text;

-- AddCode
INSERT INTO `sign_in_codes` (`code_sha256`,`kind`,`user_id`,`created_at`,`expires_at`) VALUES (:bytes,:text,:int,:time,:time);

-- AddCode
SELECT count(*) FROM `sign_in_codes` WHERE kind = :text AND user_id = 0;

-- AddCode, AddKey, AddKnownPicture, AddPerson, AddWebhook, ChangeGroup, ChangePerson, ChangeRescanState, ChangeWebhook, CorrectFace, DeleteExpired, DeleteKnownPicture, DeletePerson, DeleteUser, DeleteWebhook, LinkIdentity, MergePeople, RequestRematch, RequestRescan, Retry, RevokeKey, RevokeOtherSessions, RevokeSession, SetConsent, SetPassword, SetRetention, SetUser, SplitGroup, UndoCorrection, UndoGroupChange, UndoMerge, UseCode
INSERT INTO `audit_log` (`created_at`,`key_id`,`user_id`,`action`,`target`,`target_ids`,`request_id`) VALUES (:time,:text,:int,:text,:text,:text,:text);

-- AddCode, AddSession, LinkIdentity, SetPassword, UseCode
SELECT * FROM `users` WHERE id = :int LIMIT :int FOR UPDATE;

-- AddCode, SweepSignIn
DELETE FROM `sign_in_codes` WHERE expires_at <= :time;

-- AddDelivery, ChangeWebhook
SELECT * FROM `webhooks` WHERE id = :int LIMIT :int FOR UPDATE;

-- AddDelivery, EndWebhookLease
INSERT INTO `webhook_deliveries` (`webhook_id`,`event_id`,`message`,`type`,`ok`,`status`,`problem`,`took_ms`,`created_at`) VALUES (:int,:int,:text,:text,:int,:int,:text,:int,:time);

-- AddImages
SELECT 1 FROM images WHERE path BETWEEN :text AND :text LIMIT 1;

-- AddImages, AddTraced
SELECT images.*, person.name AS person_name FROM `images` LEFT JOIN person ON person.id = images.person WHERE images.path IN (:text) AND images.dedup = 0;

-- AddImages, AddTraced, AddUploads
INSERT INTO images (path, file_name, person, status, reason, created_at, updated_at) VALUES (:text, :text, :int, :int, :text, :time, :time), (:text, :text, :int, :int, :text, :time, :time);

-- AddImages, AddTraced, AddUploads
INSERT INTO images (path, file_name, person, status, reason, created_at, updated_at) VALUES (:text, :text, :int, :int, :text, :time, :time);

-- AddImages, AddTraced, AddUploads
SELECT id, path FROM images WHERE dedup = 0 AND id BETWEEN :int AND :int;

-- AddImages, AddTraced, AddUploads
SELECT images.*, person.name AS person_name FROM `images` LEFT JOIN person ON person.id = images.person WHERE images.path IN (:text,:text) AND images.dedup = 0;

-- AddImages, AddTraced, AddUploads, DeleteExpired, DeleteImage, DeleteImages, Finish
INSERT INTO outbox (type, created_at, image_id, reason) VALUES (:text, :time, :int, :text);

-- AddImages, AddTraced, AddUploads, DeleteExpired, DeleteImages, Finish
INSERT INTO outbox (type, created_at, image_id, reason) VALUES (:text, :time, :int, :text), (:text, :time, :int, :text);

-- AddImages, ChangeGroup, CorrectFace, DeletePerson, DrawFace, EachRow, Erase, FacesOfPerson, Finish, Image, ListImages, MergePeople, Models, PageOfImages, PlanErasure, ReplayErasure, SetAnswers, SomeImages, SweepConsents, SweepErasedPlaces, UndoCorrection, UndoGroupChange, UndoMerge
SELECT * FROM `models`;

-- AddImages, ChangeGroup, CorrectFace, DeletePerson, DrawFace, Erase, FacesOfPerson, Finish, Image, ListImages, MergePeople, Models, PageOfImages, PlanErasure, ReplayErasure, SetAnswers, SomeImages, SweepConsents, SweepErasedPlaces, UndoCorrection, UndoGroupChange, UndoMerge
SELECT * FROM `rematch_state` WHERE id = 1 AND model <> '';

-- AddImages, DeletePerson, FacesOfPerson, Finish, ListImages, MergePeople, PageOfImages, SetAnswers, UndoCorrection, UndoMerge
SELECT faces.id, faces.image_id, faces.x, faces.y, faces.width, faces.height, faces.model, faces.gallery, faces.reason, faces.drawn, faces.corrected, faces.best_person_id, faces.best_distance, faces.matched_image, faces.best_parts, faces.second_person_id, faces.second_distance, faces.second_image, faces.second_parts, faces.quality_score, faces.quality_size, faces.quality_sharpness, faces.quality_yaw, faces.quality_roll, faces.quality_detection, faces.quality_cut_off, best.name AS best_name, second.name AS second_name FROM `faces` LEFT JOIN person AS best ON best.id = faces.best_person_id LEFT JOIN person AS second ON second.id = faces.second_person_id WHERE image_id IN (:int) ORDER BY image_id, position;

-- AddKey
INSERT INTO `api_keys` (`public_id`,`name`,`secret_sha256`,`scopes`,`rate`,`burst`,`max_body`,`created_at`,`expires_at`,`revoked_at`,`last_used_at`) VALUES (:text,:text,:bytes,:text,:float,:int,:int,:time,:time,:null,:null);

-- AddKnownPicture
SELECT * FROM `person_images` WHERE image_name = :text ORDER BY id;

-- AddKnownPicture
UPDATE `person_images` SET `image_name`=:text,`person_id`=:int,`source`=:text,`face_id`=:int,`sha256`=:text,`added_at`=:time,`public_id`=:text WHERE `id` = :int;

-- AddKnownPicture, AddPerson, AddWebhook, ChangeGroup, ChangePerson, ChangeWebhook, CorrectFace, DeclareWebhook, DrawFace, Erase, MergePeople, ReplayErasure, RequestRescan, SyncKnownImages, UndoMerge
SELECT `version` FROM `schema_migrations` ORDER BY version LIMIT :int FOR UPDATE;

-- AddKnownPicture, ChangeGroup, ChangePerson, CorrectFace, DeleteKnownPicture, DeletePerson, DrawFace, Erase, MergePeople, ReplayErasure, SetConsent, UndoMerge, WithdrawConsent
SELECT * FROM `person` WHERE id = :int LIMIT :int FOR UPDATE;

-- AddKnownPicture, DeleteKnownPicture, MergePeople, UndoGroupChange, UndoMerge
UPDATE `person` SET `version`=version + 1 WHERE id = :int;

-- AddKnownPicture, KnownPictureOf
SELECT `public_id` FROM `person_images` WHERE id = :int;

-- AddKnownPicture, KnownPictureOf, PublicPictures
UPDATE `person_images` SET `public_id`=:text WHERE id = :int AND public_id IS NULL;

-- AddKnownPicture, SyncKnownImages
INSERT INTO `person_images` (`image_name`,`person_id`,`source`,`face_id`,`sha256`,`added_at`,`public_id`) VALUES (:text,:int,:text,:int,:text,:time,:text);

-- AddPerson
UPDATE `idempotency_keys` SET `acted`=:int WHERE (key_sha256 = :bytes AND token = :int AND status = 0) AND acted = :int;

-- AddPerson
UPDATE `idempotency_keys` SET `acted`=:int WHERE key_sha256 = :bytes AND token = :int AND status = 0;

-- AddPerson, ApplyPlanned, ChangeGroup, ChangePerson, CorrectFace, DeletePerson, DrawFace, Erase, Finish, MergePeople, ReplayErasure, Retry, SetAnswers, SetConsent, StepRematch, SweepConsents, SyncKnownImages, UndoCorrection, UndoMerge, WithdrawConsent
INSERT INTO outbox (type, created_at, image_id, reason, cause, people, person_id, other_id) VALUES (:text, :time, :int, :text, :text, :text, :int, :int);

-- AddPerson, ChangeGroup, CorrectFace, DrawFace, SyncKnownImages
INSERT INTO `person` (`name`,`hidden`,`cover_id`,`version`) VALUES (:text,:int,:int,:int);

-- AddPerson, ChangePerson, Consent, KnownPictures, MergePeople, Profile, UndoMerge
SELECT person.*, (SELECT COUNT(*) FROM person_images WHERE person_images.person_id = person.id AND person_images.image_name IS NOT NULL) AS known_pictures, COALESCE((SELECT MIN(id) FROM person_images WHERE person_images.person_id = person.id AND person_images.image_name IS NOT NULL), 0) AS first_picture, COALESCE((SELECT cover.person_id FROM person_images AS cover WHERE cover.id = person.cover_id), 0) AS cover_owner FROM `person` WHERE person.id = :int LIMIT :int;

-- AddPerson, ChangePerson, MergePeople, UndoMerge
SELECT * FROM `person` WHERE id <> :int;

-- AddSession
INSERT INTO `sessions` (`token_sha256`,`user_id`,`role`,`way`,`address`,`browser`,`created_at`,`seen_at`,`expires_at`,`ends_at`) VALUES (:bytes,:int,:text,:text,:text,:text,:time,:time,:time,:time);

-- AddTraced
INSERT INTO images (path, file_name, person, status, reason, created_at, updated_at, trace_context) VALUES (:text, :text, :int, :int, :text, :time, :time, :text), (:text, :text, :int, :int, :text, :time, :time, :text);

-- AddTraced
INSERT INTO images (path, file_name, person, status, reason, created_at, updated_at, trace_context) VALUES (:text, :text, :int, :int, :text, :time, :time, :text);

-- AddUploads
UPDATE `images` SET `file_name`=:text WHERE id = :int AND file_name = '';

-- AddWebhook, ChangeWebhook
SELECT count(*) FROM `webhooks` WHERE name = :text AND id <> :int;

-- AddWebhook, ChangeWebhook, ChangedImages, DeclareWebhook, EventRange, Events
SELECT * FROM `event_state` WHERE id = 1 LIMIT :int;

-- AddWebhook, DeclareWebhook
INSERT INTO `webhooks` (`name`,`url`,`types`,`state`,`declared`,`secret`,`old_secret`,`old_until`,`delivered`,`failing_since`,`failures`,`next_attempt`,`lease_token`,`lease_until`,`created_at`,`updated_at`) VALUES (:text,:text,:text,:text,:int,:text,:text,:null,:int,:null,:int,:null,:int,:null,:time,:time);

-- AdvanceFaceMark
UPDATE `rematch_state` SET `face_mark`=:int WHERE id = 1 AND face_mark < :int;

-- AdvanceFaceMark, AgreeOnModel, ApplyPlanned, BeginRematch, BeginRescan, EndRematch, FinishRescan, ForgetGroupings, ForgetRematches, GroupingWaits, NoteRescan, PlaceFaces, Reflect, SaveCheckpoint, SaveGrouping, SetAnswers, StepRematch, SweepConsents, TakeRescanImages, UndoApplied
SELECT `lease_token` FROM `rematch_state` WHERE id = 1 FOR UPDATE;

-- AgreeOnModel
SELECT * FROM `rescans` WHERE model = :text OR state IN (:text,:text) ORDER BY id DESC LIMIT :int;

-- AgreeOnModel
SELECT `agreed_model` FROM `rematch_state` WHERE id = 1;

-- AgreeOnModel
SELECT `id` FROM `images` WHERE model <> '' AND model <> :text LIMIT :int;

-- AgreeOnModel
SELECT `id` FROM `models` WHERE first_used IS NOT NULL ORDER BY first_used DESC, id LIMIT :int;

-- AgreeOnModel
SELECT `id` FROM `rescans` WHERE state IN (:text,:text);

-- AgreeOnModel
SELECT count(*) FROM `models` WHERE id <> :text AND last_used > :time;

-- AgreeOnModel
UPDATE `rematch_state` SET `agreed_model`=:text WHERE id = 1;

-- AgreeOnModel, ChangeRescanState, FinishRescan
DELETE FROM `image_rescans` WHERE rescan_id = :int AND state = :text;

-- AgreeOnModel, ChangeRescanState, FinishRescan
UPDATE `rescans` SET `detail`=:text,`finished_at`=:time,`state`=:text WHERE id = :int;

-- AgreeOnModel, RequestRescan
INSERT INTO `rescans` (`state`,`cause`,`model`,`whole`,`detail`,`total`,`done`,`changed`,`failed`,`people_found`,`people_lost`,`faces_found`,`faces_lost`,`corrections_unplaced`,`seek`,`created_at`,`started_at`,`finished_at`) VALUES (:text,:text,:text,:int,:text,:int,:int,:int,:int,:int,:int,:int,:int,:int,:int,:time,:null,:null);

-- AgreeOnModel, UseModel
INSERT INTO `models` (`id`,`threshold`,`margin`,`official`,`last_used`,`size`,`networks`,`far_threshold`,`far_margin`,`floor_size`,`floor_sharpness`,`floor_yaw`,`floor_cut_off`,`floor_detection`) VALUES (:text,:float,:float,:int,:time,:int,:text,:float,:float,:int,:float,:float,:float,:float) ON DUPLICATE KEY UPDATE `threshold`=VALUES(`threshold`),`margin`=VALUES(`margin`),`official`=VALUES(`official`),`last_used`=VALUES(`last_used`),`size`=VALUES(`size`),`networks`=VALUES(`networks`),`far_threshold`=VALUES(`far_threshold`),`far_margin`=VALUES(`far_margin`),`floor_size`=VALUES(`floor_size`),`floor_sharpness`=VALUES(`floor_sharpness`),`floor_yaw`=VALUES(`floor_yaw`),`floor_cut_off`=VALUES(`floor_cut_off`),`floor_detection`=VALUES(`floor_detection`);

-- AgreeOnModel, UseModel
UPDATE `models` SET `first_used`=:time WHERE id = :text AND first_used IS NULL;

-- AllOwners
SELECT person_images.image_name, person.id, person.name, (EXISTS (SELECT 1 FROM consents WHERE consents.person_id = person.id AND consents.withdrawn_at IS NULL AND consents.from_at <= :time AND (consents.until_at IS NULL OR consents.until_at > :time))) FROM person_images JOIN person ON person.id = person_images.person_id WHERE person_images.image_name IS NOT NULL ORDER BY person_images.id DESC;

-- AllOwners
SELECT person_images.image_name, person.id, person.name, (NOT EXISTS (SELECT 1 FROM consents WHERE consents.person_id = person.id AND NOT (consents.withdrawn_at IS NULL AND consents.from_at <= :time AND (consents.until_at IS NULL OR consents.until_at > :time)))) FROM person_images JOIN person ON person.id = person_images.person_id WHERE person_images.image_name IS NOT NULL ORDER BY person_images.id DESC;

-- ApplyPlanned, ChangeGroup, CorrectFace, DrawFace, Erase, Finish, ForgetErasedMentions, SetAnswers, StepRematch, UndoCorrection, UndoGroupChange
SELECT id FROM person WHERE id IN (:int) ORDER BY id LOCK IN SHARE MODE;

-- ApplyPlanned, ChangeGroup, CorrectFace, DrawFace, Erase, Finish, ImagesWithFaces, ReplayErasure, SetAnswers, StepRematch, SweepConsents, SweepErasedPlaces, UndoCorrection
SELECT `id`,`status`,`reason`,`person` FROM `images` WHERE id IN (:int) ORDER BY id;

-- ApplyPlanned, ChangeGroup, CorrectFace, DrawFace, Erase, Finish, ImagesWithFaces, ReplayErasure, SetAnswers, StepRematch, SweepConsents, SweepErasedPlaces, UndoCorrection
SELECT id, image_id, x, y, width, height, model, gallery, reason, corrected, best_person_id, best_distance, matched_image, best_parts, second_person_id, second_distance, second_image, second_parts, quality_score, quality_size, quality_sharpness, quality_yaw, quality_roll, quality_detection, quality_cut_off, descriptor, descriptor_rest FROM faces WHERE image_id IN (:int) ORDER BY image_id, position;

-- ApplyPlanned, ChangeGroup, CorrectFace, DrawFace, Erase, Finish, SetAnswers, StepRematch, SweepConsents, UndoCorrection, UndoGroupChange
SELECT `id` FROM `person` WHERE id IN (:int) AND (NOT (NOT EXISTS (SELECT 1 FROM consents WHERE consents.person_id = person.id AND NOT (consents.withdrawn_at IS NULL AND consents.from_at <= :time AND (consents.until_at IS NULL OR consents.until_at > :time)))));

-- ApplyPlanned, ChangeGroup, CorrectFace, DrawFace, Erase, ForgetErasedMentions, MergePeople, ReplayErasure, SetAnswers, StepRematch, SweepConsents, SweepErasedPlaces, UndoCorrection, UndoMerge
SELECT `id` FROM `images` WHERE id IN (:int) ORDER BY id FOR UPDATE;

-- ApplyPlanned, ChangeGroup, CorrectFace, DrawFace, Erase, ReplayErasure, SetAnswers, StepRematch, SweepConsents, UndoCorrection, UndoGroupChange
UPDATE `images` SET `detail`=warning WHERE id IN (:int) AND detail <> warning;

-- ApplyPlanned, ChangeGroup, CorrectFace, DrawFace, Erase, ReplayErasure, SetAnswers, StepRematch, SweepConsents, UndoCorrection, UndoGroupChange
UPDATE `images` SET `person`=CASE id WHEN :int THEN :int END,`reason`=CASE id WHEN :int THEN :text END,`status`=CASE id WHEN :int THEN :int END,`updated_at`=CASE id WHEN :int THEN :time END WHERE id IN (:int);

-- ApplyPlanned, ChangeGroup, CorrectFace, DrawFace, SetAnswers, StepRematch, SweepConsents, UndoCorrection, UndoGroupChange
UPDATE `faces` SET `best_distance`=CASE id WHEN :int THEN :float END,`best_parts`=CASE id WHEN :int THEN :text END,`best_person_id`=CASE id WHEN :int THEN :int END,`corrected`=CASE id WHEN :int THEN :int END,`matched_image`=CASE id WHEN :int THEN :text END,`reason`=CASE id WHEN :int THEN :text END,`second_distance`=CASE id WHEN :int THEN :float END,`second_image`=CASE id WHEN :int THEN :text END,`second_parts`=CASE id WHEN :int THEN :text END,`second_person_id`=CASE id WHEN :int THEN :int END WHERE id IN (:int);

-- ApplyPlanned, UndoApplied
SELECT * FROM `rematch_changes` WHERE rematch_id = :int AND state = :text AND image_id > :int ORDER BY image_id LIMIT :int;

-- ApplyPlanned, UndoApplied
UPDATE `rematch_changes` SET `state`=:text WHERE rematch_id = :int AND image_id IN (:int);

-- ApplyPlanned, UndoApplied
UPDATE `rematches` SET `seek`=:int,`skipped`=skipped + :int WHERE id = :int;

-- Audit
SELECT * FROM `audit_log` ORDER BY id DESC LIMIT :int;

-- Audit, AuditOf
SELECT * FROM `audit_log` WHERE id < :int ORDER BY id DESC LIMIT :int;

-- AuditOf
SELECT * FROM `audit_log` WHERE created_at < :time ORDER BY id DESC;

-- AuditOf
SELECT * FROM `audit_log` WHERE created_at >= :time ORDER BY id DESC;

-- AuditOf
SELECT * FROM `audit_log` WHERE target = :text AND ((target_ids = :text OR INSTR(target_ids, :text) = 1 OR INSTR(target_ids, :text) > 0 OR SUBSTR(target_ids, :int) = :text)) ORDER BY id DESC LIMIT :int;

-- AuditOf
SELECT * FROM `audit_log` WHERE target = :text AND ((target_ids = :text OR INSTR(target_ids, :text) = 1 OR INSTR(target_ids, :text) > 0 OR SUBSTR(target_ids, :int) = :text)) ORDER BY id DESC;

-- AuditOf
SELECT * FROM `audit_log` WHERE target = :text ORDER BY id DESC;

-- BeginAttempt
DELETE FROM `idempotency_keys` WHERE key_sha256 = :bytes AND token = :int AND (expires_at <= :time OR (status = 0 AND acted = :int AND lease_until <= :time));

-- BeginAttempt
INSERT INTO `idempotency_keys` (`key_sha256`,`head_sha256`,`body_sha256`,`body_size`,`token`,`lease_until`,`status`,`acted`,`headers`,`answer`,`expires_at`) VALUES (:bytes,:bytes,:bytes,:int,:int,:time,:int,:int,:text,:bytes,:time) ON DUPLICATE KEY UPDATE `key_sha256`=`key_sha256`;

-- BeginAttempt
SELECT * FROM `idempotency_keys` WHERE key_sha256 = :bytes LIMIT :int;

-- BeginRematch
UPDATE `rematch_state` SET `dirty`=:int WHERE id = 1;

-- BeginRematch
UPDATE `rematches` SET `cause`=:text,`fingerprint`=:text,`gallery`=:text,`margin`=:float,`model`=:text,`pictures_added`=:int,`pictures_removed`=:int,`rule`=:text,`scope`=:text,`started_at`=:time,`state`=:text,`threshold`=:float WHERE id = :int;

-- BeginRematch
UPDATE `rematches` SET `detail`=:text,`state`=:text WHERE state IN (:text,:text) AND fingerprint <> :text;

-- BeginRescan
SELECT count(*) FROM `images` WHERE ((status = :int OR (status = :int AND reason IN (:text,:text)) OR (status = :int AND reason IN (:text,:text)))) AND model <> :text;

-- BeginRescan
SELECT count(*) FROM `images` WHERE (status = :int OR (status = :int AND reason IN (:text,:text)) OR (status = :int AND reason IN (:text,:text)));

-- BeginRescan
UPDATE `rescans` SET `detail`=:text,`model`=:text,`started_at`=:time,`state`=:text,`total`=:int WHERE id = :int;

-- BeginRescan, ChangeRescanState, FinishRescan, TakeRescanImages
SELECT * FROM `rescans` WHERE id = :int LIMIT :int FOR UPDATE;

-- CanSignIn
SELECT COALESCE(SUM(CASE WHEN role = :text THEN 1 ELSE 0 END), 0) AS admins, COUNT(*) AS `all` FROM users WHERE id IN (SELECT user_id FROM user_passwords) OR id IN (SELECT user_id FROM user_identities);

-- ChangeGroup
INSERT INTO `corrections` (`image_id`,`x`,`y`,`width`,`height`,`descriptor`,`model`,`person_id`,`excludes`,`candidates`,`created_at`,`undone_at`,`changed_at`,`pending`,`descriptor_rest`,`kind`,`describe_at`,`group_change_id`) VALUES (:int,:int,:int,:int,:int,:bytes,:text,:int,:int,:text,:time,:null,:time,:int,:bytes,:text,:null,:int),(:int,:int,:int,:int,:int,:bytes,:text,:int,:int,:text,:time,:null,:time,:int,:bytes,:text,:null,:int);

-- ChangeGroup
SELECT `corrections`.`id`,`corrections`.`image_id`,`corrections`.`x`,`corrections`.`y`,`corrections`.`width`,`corrections`.`height`,`corrections`.`descriptor`,`corrections`.`model`,`corrections`.`person_id`,`corrections`.`excludes`,`corrections`.`candidates`,`corrections`.`created_at`,`corrections`.`undone_at`,`corrections`.`changed_at`,`corrections`.`pending`,`corrections`.`descriptor_rest`,`corrections`.`kind`,`corrections`.`describe_at`,`corrections`.`group_change_id` FROM `corrections` WHERE image_id IN (NULL);

-- ChangeGroup
SELECT `face_id` FROM `face_groups` WHERE model = :text AND group_key = :int ORDER BY face_id;

-- ChangeGroup
SELECT `id`,`image_id` FROM `faces` WHERE id IN (:int);

-- ChangeGroup
SELECT `id`,`image_id` FROM `faces` WHERE id IN (:int,:int);

-- ChangeGroup
SELECT corrections.*, COALESCE(person.name, '') AS person_name FROM `corrections` LEFT JOIN person ON person.id = corrections.person_id WHERE ((person.id IS NOT NULL OR corrections.kind <> '')) AND corrections.image_id IN (NULL) AND corrections.undone_at IS NULL ORDER BY corrections.id;

-- ChangeGroup
SELECT count(*) FROM `face_groups` WHERE model = :text AND group_key = :int;

-- ChangeGroup
SELECT id, image_id, quality_score, quality_size FROM faces WHERE id IN (:int);

-- ChangeGroup
UPDATE `group_changes` SET `best`=:text,`faces`=:int WHERE id = :int;

-- ChangeGroup, CorrectFace, Corrections, DrawFace, Erase, Finish, PeopleBeside, ReplayErasure, SweepErasedPlaces, UndoCorrection
SELECT corrections.*, COALESCE(person.name, '') AS person_name FROM `corrections` LEFT JOIN person ON person.id = corrections.person_id WHERE ((person.id IS NOT NULL OR corrections.kind <> '')) AND corrections.image_id IN (:int) AND corrections.undone_at IS NULL ORDER BY corrections.id;

-- ChangeGroup, CorrectFace, DeleteExpired, DeleteImage, DeleteImages, DrawFace, Erase, Finish, ForgetGroupings, PlaceFaces, ReplayErasure, SetAnswers, SplitGroup, SweepErasedPlaces, UndoCorrection
SELECT * FROM `face_groups` WHERE model <> :text AND face_id IN (:int) ORDER BY face_id FOR UPDATE;

-- ChangeGroup, CorrectFace, DeleteImage, Erase, Finish, ForgetGroupings, PlaceFaces, SetAnswers, SplitGroup, SweepErasedPlaces
DELETE FROM `group_sizes` WHERE model = :text AND group_key IN (:int) AND faces <= 0;

-- ChangeGroup, CorrectFace, DeleteImage, Erase, Finish, ForgetGroupings, PlaceFaces, SetAnswers, SplitGroup, SweepErasedPlaces
INSERT INTO `group_sizes` (`model`,`group_key`,`faces`) VALUES (:text,:int,:int) ON DUPLICATE KEY UPDATE `faces`=group_sizes.faces + VALUES(faces);

-- ChangeGroup, CorrectFace, DrawFace
INSERT INTO `corrections` (`image_id`,`x`,`y`,`width`,`height`,`descriptor`,`model`,`person_id`,`excludes`,`candidates`,`created_at`,`undone_at`,`changed_at`,`pending`,`descriptor_rest`,`kind`,`describe_at`,`group_change_id`) VALUES (:int,:int,:int,:int,:int,:bytes,:text,:int,:int,:text,:time,:null,:time,:int,:bytes,:text,:time,:int);

-- ChangeGroup, CorrectFace, DrawFace
SELECT * FROM `person` WHERE name IN (:text);

-- ChangeGroup, CorrectFace, DrawFace, EachRow, SyncKnownImages
SELECT * FROM `person`;

-- ChangeGroup, CorrectFace, DrawFace, Erase, Finish, ReplayErasure, SweepErasedPlaces, UndoCorrection
SELECT `best_person_id`,`second_person_id` FROM `faces` WHERE image_id IN (:int);

-- ChangeGroup, CorrectFace, DrawFace, Erase, Finish, ReplayErasure, SweepErasedPlaces, UndoCorrection
SELECT `corrections`.`id`,`corrections`.`image_id`,`corrections`.`x`,`corrections`.`y`,`corrections`.`width`,`corrections`.`height`,`corrections`.`descriptor`,`corrections`.`model`,`corrections`.`person_id`,`corrections`.`excludes`,`corrections`.`candidates`,`corrections`.`created_at`,`corrections`.`undone_at`,`corrections`.`changed_at`,`corrections`.`pending`,`corrections`.`descriptor_rest`,`corrections`.`kind`,`corrections`.`describe_at`,`corrections`.`group_change_id` FROM `corrections` WHERE image_id IN (:int);

-- ChangeGroup, CorrectFace, DrawFace, Erase, Finish, ReplayErasure, SweepErasedPlaces, UndoCorrection
SELECT `id`,`person_id`,`candidates` FROM `corrections` WHERE image_id IN (:int);

-- ChangeGroup, CorrectFace, DrawFace, Erase, UndoCorrection, UndoGroupChange
SELECT person_images.image_name,person_images.person_id FROM `person_images` JOIN person ON person.id = person_images.person_id WHERE person_images.image_name IN (:text) AND (NOT EXISTS (SELECT 1 FROM consents WHERE consents.person_id = person.id AND NOT (consents.withdrawn_at IS NULL AND consents.from_at <= :time AND (consents.until_at IS NULL OR consents.until_at > :time))));

-- ChangeGroup, CorrectFace, DrawFace, Finish, SetAnswers, UndoCorrection, UndoGroupChange
SELECT id FROM person WHERE id IN (:int,:int) ORDER BY id LOCK IN SHARE MODE;

-- ChangeGroup, CorrectFace, DrawFace, StepRematch, SweepConsents, UndoApplied, UndoCorrection, UndoGroupChange
UPDATE `faces` SET `best_distance`=CASE id WHEN :int THEN :float WHEN :int THEN :float END,`best_parts`=CASE id WHEN :int THEN :text WHEN :int THEN :text END,`best_person_id`=CASE id WHEN :int THEN :int WHEN :int THEN :int END,`corrected`=CASE id WHEN :int THEN :int WHEN :int THEN :int END,`matched_image`=CASE id WHEN :int THEN :text WHEN :int THEN :text END,`reason`=CASE id WHEN :int THEN :text WHEN :int THEN :text END,`second_distance`=CASE id WHEN :int THEN :float WHEN :int THEN :float END,`second_image`=CASE id WHEN :int THEN :text WHEN :int THEN :text END,`second_parts`=CASE id WHEN :int THEN :text WHEN :int THEN :text END,`second_person_id`=CASE id WHEN :int THEN :int WHEN :int THEN :int END WHERE id IN (:int,:int);

-- ChangeGroup, CorrectFace, ForgetGroupings, PlaceFaces, SetAnswers, SplitGroup, SweepErasedPlaces
DELETE FROM `face_groups` WHERE face_id IN (:int) AND model <> :text;

-- ChangeGroup, Corrections, Erase, ReplayErasure, UndoGroupChange
SELECT corrections.*, COALESCE(person.name, '') AS person_name FROM `corrections` LEFT JOIN person ON person.id = corrections.person_id WHERE ((person.id IS NOT NULL OR corrections.kind <> '')) AND corrections.image_id IN (:int,:int) AND corrections.undone_at IS NULL ORDER BY corrections.id;

-- ChangeGroup, DeleteExpired, DeleteImage, Erase, Finish, ForgetGroupings, ReplayErasure, SplitGroup, StepRematch
SELECT * FROM `face_groups` WHERE model <> :text AND face_id IN (:int,:int) ORDER BY face_id FOR UPDATE;

-- ChangeGroup, DeleteImage, Erase, Finish, ForgetGroupings, SplitGroup
DELETE FROM `face_groups` WHERE face_id IN (:int,:int) AND model <> :text;

-- ChangeGroup, DeletePerson, Erase, MergePeople, ReplayErasure, StepRematch, SweepConsents, UndoApplied, UndoGroupChange, UndoMerge
SELECT `id` FROM `images` WHERE id IN (:int,:int) ORDER BY id FOR UPDATE;

-- ChangeGroup, DeletePerson, Erase, MergePeople, ReplayErasure, UndoGroupChange
INSERT INTO outbox (type, cause, created_at, image_id, reason, people) SELECT :text, :text, :time, images.id, images.reason, COALESCE((SELECT SUBSTR(GROUP_CONCAT(DISTINCT faces.best_person_id), 1, :int) FROM faces WHERE faces.image_id = images.id AND faces.reason = :text), '') FROM images WHERE images.id IN (:int,:int) ORDER BY images.id;

-- ChangeGroup, Erase, Finish, ForgetErasedMentions, MergePeople, ReplayErasure, SweepErasedPlaces, UndoMerge
INSERT INTO outbox (type, cause, created_at, image_id, reason, people) SELECT :text, :text, :time, images.id, images.reason, COALESCE((SELECT SUBSTR(GROUP_CONCAT(DISTINCT faces.best_person_id), 1, :int) FROM faces WHERE faces.image_id = images.id AND faces.reason = :text), '') FROM images WHERE images.id IN (:int) ORDER BY images.id;

-- ChangeGroup, Erase, ImagesWithFaces, ReplayErasure, StepRematch, SweepConsents, UndoApplied, UndoGroupChange
SELECT `id`,`status`,`reason`,`person` FROM `images` WHERE id IN (:int,:int) ORDER BY id;

-- ChangeGroup, Erase, ImagesWithFaces, ReplayErasure, StepRematch, SweepConsents, UndoApplied, UndoGroupChange
SELECT id, image_id, x, y, width, height, model, gallery, reason, corrected, best_person_id, best_distance, matched_image, best_parts, second_person_id, second_distance, second_image, second_parts, quality_score, quality_size, quality_sharpness, quality_yaw, quality_roll, quality_detection, quality_cut_off, descriptor, descriptor_rest FROM faces WHERE image_id IN (:int,:int) ORDER BY image_id, position;

-- ChangeGroup, Erase, ReplayErasure, StepRematch, SweepConsents, UndoApplied, UndoGroupChange
UPDATE `images` SET `detail`=warning WHERE id IN (:int,:int) AND detail <> warning;

-- ChangeGroup, Erase, ReplayErasure, StepRematch, SweepConsents, UndoApplied, UndoGroupChange
UPDATE `images` SET `person`=CASE id WHEN :int THEN :int WHEN :int THEN :int END,`reason`=CASE id WHEN :int THEN :text WHEN :int THEN :text END,`status`=CASE id WHEN :int THEN :int WHEN :int THEN :int END,`updated_at`=CASE id WHEN :int THEN :time WHEN :int THEN :time END WHERE id IN (:int,:int);

-- ChangeGroup, Erase, ReplayErasure, UndoGroupChange
SELECT `best_person_id`,`second_person_id` FROM `faces` WHERE image_id IN (:int,:int);

-- ChangeGroup, Erase, ReplayErasure, UndoGroupChange
SELECT `corrections`.`id`,`corrections`.`image_id`,`corrections`.`x`,`corrections`.`y`,`corrections`.`width`,`corrections`.`height`,`corrections`.`descriptor`,`corrections`.`model`,`corrections`.`person_id`,`corrections`.`excludes`,`corrections`.`candidates`,`corrections`.`created_at`,`corrections`.`undone_at`,`corrections`.`changed_at`,`corrections`.`pending`,`corrections`.`descriptor_rest`,`corrections`.`kind`,`corrections`.`describe_at`,`corrections`.`group_change_id` FROM `corrections` WHERE image_id IN (:int,:int);

-- ChangeGroup, Erase, ReplayErasure, UndoGroupChange
SELECT `id`,`person_id`,`candidates` FROM `corrections` WHERE image_id IN (:int,:int);

-- ChangeGroup, Groups
SELECT id, image_id, quality_score, quality_size FROM faces WHERE id IN (:int,:int);

-- ChangeGroup, SplitGroup
INSERT INTO `group_changes` (`says`,`model`,`group_key`,`person_id`,`added`,`faces`,`best`,`one`,`others`,`created_at`,`undone_at`) VALUES (:text,:text,:int,:int,:int,:int,:text,:text,:text,:time,:null);

-- ChangeGroup, SplitGroup
SELECT `face_id` FROM `face_groups` WHERE model = :text AND group_key = :int ORDER BY face_id FOR UPDATE;

-- ChangePerson
SELECT count(*) FROM `person_images` WHERE id = :int AND person_id = :int;

-- ChangePerson
UPDATE `person` SET `cover_id`=:int,`hidden`=:int,`name`=:text,`version`=version + 1 WHERE id = :int;

-- ChangePerson
UPDATE `person` SET `hidden`=:int,`version`=version + 1 WHERE id = :int;

-- ChangePerson, DeletePerson, MergePeople
INSERT INTO `person_folders` (`name`,`person_id`) VALUES (:text,:int) ON DUPLICATE KEY UPDATE `name`=VALUES(`name`),`person_id`=VALUES(`person_id`);

-- ChangePerson, MergePeople, UndoMerge
UPDATE `person` SET `name`=:text,`version`=version + 1 WHERE id = :int;

-- ChangeRematchState
SELECT * FROM `rematches` WHERE id = :int LIMIT :int FOR UPDATE;

-- ChangeRematchState
UPDATE `rematches` SET `finished_at`=:null,`seek`=:int,`skipped`=:int,`state`=:text WHERE id = :int;

-- ChangeRescanState
UPDATE `rescans` SET `detail`=:text,`state`=:text WHERE id = :int;

-- ChangeSession
UPDATE `sessions` SET `ends_at`=:time,`expires_at`=:time,`role`=:text,`seen_at`=:time,`token_sha256`=:bytes WHERE token_sha256 = :bytes;

-- ChangeWebhook
UPDATE `webhooks` SET `delivered`=:int,`failing_since`=:null,`failures`=:int,`lease_token`=:int,`lease_until`=:null,`name`=:text,`next_attempt`=:null,`old_secret`=:text,`old_until`=:time,`secret`=:text,`state`=:text,`types`=:text,`updated_at`=:time,`url`=:text WHERE id = :int;

-- ChangedImages
SELECT seq, type, image_id FROM `events` WHERE seq > :int AND seq <= :int ORDER BY seq LIMIT :int;

-- Checkpoint
SELECT * FROM `grouping_parts` WHERE model = :text AND checkpoint = :int ORDER BY part;

-- Checkpoint, SaveCheckpoint
SELECT `checkpoint` FROM `grouping` WHERE model = :text;

-- Claim
DELETE FROM `image_rescans` WHERE image_id IN (:int) AND lease_token = 0;

-- Claim
SELECT `id`,`path`,`status`,`reason`,`attempts`,`rounds`,`detail`,`lease_token`,`lease_until`,`trace_context`,`created_at` FROM `images` WHERE id IN (:int);

-- Claim
SELECT `id`,`path`,`status`,`reason`,`attempts`,`rounds`,`detail`,`lease_token`,`lease_until`,`trace_context`,`created_at` FROM `images` WHERE id IN (:int,:int);

-- Claim
SELECT image_rescans.*, images.path, images.file_size, images.file_modified, images.file_sha256, rescans.model FROM `image_rescans` JOIN images ON images.id = image_rescans.image_id LEFT JOIN rescans ON rescans.id = image_rescans.rescan_id WHERE image_rescans.image_id IN (:int) AND image_rescans.state = :text;

-- Claim
SELECT images.id,images.status,images.reason FROM `images` JOIN image_rescans ON image_rescans.image_id = images.id AND image_rescans.state = :text WHERE images.id IN (:int);

-- Claim
SELECT images.id,images.status,images.reason FROM `images` JOIN image_rescans ON image_rescans.image_id = images.id AND image_rescans.state = :text WHERE images.id IN (:int,:int);

-- Claim
UPDATE `image_rescans` SET `again`=:int,`attempts`=attempts + 1,`lease_owner`=:text,`lease_token`=:int,`lease_until`=:time,`updated_at`=:time WHERE image_id IN (:int) AND state = :text AND (lease_until IS NULL OR lease_until < :time);

-- Claim
UPDATE `images` SET `attempts`=CASE WHEN status = :int AND reason <> :text THEN 1 ELSE attempts + 1 END,`lease_owner`=:text,`lease_token`=:int,`lease_until`=:time,`reason`=:text,`status`=:int,`updated_at`=:time WHERE id IN (:int) AND (status = :int AND (lease_until IS NULL OR lease_until < :time));

-- Claim
UPDATE `images` SET `attempts`=CASE WHEN status = :int AND reason <> :text THEN 1 ELSE attempts + 1 END,`lease_owner`=:text,`lease_token`=:int,`lease_until`=:time,`reason`=:text,`status`=:int,`updated_at`=:time WHERE id IN (:int) AND (status = :int AND reason NOT IN (:text,:text));

-- Claim
UPDATE `images` SET `attempts`=CASE WHEN status = :int AND reason <> :text THEN 1 ELSE attempts + 1 END,`lease_owner`=:text,`lease_token`=:int,`lease_until`=:time,`reason`=:text,`status`=:int,`updated_at`=:time WHERE id IN (:int,:int) AND (status = :int AND (lease_until IS NULL OR lease_until < :time));

-- Claim
UPDATE `images` SET `attempts`=CASE WHEN status = :int AND reason <> :text THEN 1 ELSE attempts + 1 END,`lease_owner`=:text,`lease_token`=:int,`lease_until`=:time,`reason`=:text,`status`=:int,`updated_at`=:time WHERE id IN (:int,:int) AND (status = :int AND reason NOT IN (:text,:text));

-- ClaimErasure
SELECT * FROM `erasures` WHERE id = :int LIMIT :int;

-- ClaimErasure
SELECT `id` FROM `erasures` WHERE state IN (:text,:text) AND (lease_until IS NULL OR lease_until < :time OR lease_token = :int) ORDER BY id LIMIT :int;

-- ClaimErasure
UPDATE `erasures` SET `lease_token`=:int,`lease_until`=:time WHERE (state IN (:text,:text) AND (lease_until IS NULL OR lease_until < :time OR lease_token = :int)) AND id = :int;

-- ClaimWebhook
SELECT `id` FROM `webhooks` WHERE (state = :text AND delivered <> (SELECT last_seq FROM event_state WHERE id = 1)) AND ((next_attempt IS NULL OR next_attempt <= :time) AND (lease_until IS NULL OR lease_until < :time)) AND id IN (:int) ORDER BY updated_at, id;

-- ClaimWebhook
SELECT `id` FROM `webhooks` WHERE (state = :text AND delivered <> (SELECT last_seq FROM event_state WHERE id = 1)) AND ((next_attempt IS NULL OR next_attempt <= :time) AND (lease_until IS NULL OR lease_until < :time)) AND id IN (:int,:int) ORDER BY updated_at, id;

-- ClaimWebhook
UPDATE `webhooks` SET `lease_token`=:int,`lease_until`=:time,`updated_at`=:time WHERE id = :int AND (state = :text AND delivered <> (SELECT last_seq FROM event_state WHERE id = 1)) AND ((next_attempt IS NULL OR next_attempt <= :time) AND (lease_until IS NULL OR lease_until < :time));

-- ClaimWebhook, DeleteWebhook, Webhook
SELECT * FROM `webhooks` WHERE id = :int LIMIT :int;

-- CodeUser
SELECT * FROM `sign_in_codes` WHERE code_sha256 = :bytes AND kind = :text AND expires_at > :time LIMIT :int;

-- CodeUser
SELECT * FROM `users` WHERE id = :int LIMIT :int;

-- Consent, MergePeople, SweepConsents, WithdrawConsent
SELECT * FROM `consents` WHERE person_id = :int LIMIT :int;

-- Consents
SELECT consents.*, person.name FROM `consents` JOIN person ON person.id = consents.person_id WHERE consents.person_id > :int AND (consents.withdrawn_at IS NULL AND consents.until_at > :time AND consents.until_at <= :time) ORDER BY consents.person_id;

-- Consents
SELECT consents.*, person.name FROM `consents` JOIN person ON person.id = consents.person_id WHERE consents.person_id > :int ORDER BY consents.person_id LIMIT :int;

-- Consents
SELECT consents.*, person.name FROM `consents` JOIN person ON person.id = consents.person_id WHERE consents.person_id > :int ORDER BY consents.person_id;

-- CorrectFace
SELECT * FROM `person` WHERE name IN (:text,:text);

-- CorrectFace
SELECT `faces`.`id`,`faces`.`image_id`,`faces`.`position`,`faces`.`x`,`faces`.`y`,`faces`.`width`,`faces`.`height`,`faces`.`landmarks`,`faces`.`descriptor`,`faces`.`model`,`faces`.`reason`,`faces`.`best_person_id`,`faces`.`best_distance`,`faces`.`matched_image`,`faces`.`second_person_id`,`faces`.`second_distance`,`faces`.`second_image`,`faces`.`created_at`,`faces`.`quality_score`,`faces`.`quality_size`,`faces`.`quality_sharpness`,`faces`.`quality_yaw`,`faces`.`quality_roll`,`faces`.`quality_detection`,`faces`.`quality_cut_off`,`faces`.`gallery`,`faces`.`corrected`,`faces`.`descriptor_rest`,`faces`.`best_parts`,`faces`.`second_parts`,`faces`.`drawn` FROM `faces` WHERE id = :int;

-- CorrectFace, DrawFace, FaceCorrections, FacesOfPerson, Image, ImageCorrections, UndoCorrection
SELECT corrections.*, COALESCE(person.name, '') AS person_name FROM `corrections` LEFT JOIN person ON person.id = corrections.person_id WHERE ((person.id IS NOT NULL OR corrections.kind <> '')) AND corrections.image_id IN (:int) ORDER BY corrections.id;

-- CorrectFace, DrawFace, FaceCorrections, ImageCorrections, PeopleBeside, SweepErasedPlaces, UndoCorrection
SELECT `id`,`x`,`y`,`width`,`height` FROM `faces` WHERE image_id = :int ORDER BY position, id;

-- CorrectFace, DrawFace, Finish, SetAnswers, UndoApplied, UndoCorrection, UndoGroupChange
SELECT `id` FROM `person` WHERE id IN (:int,:int) AND (NOT (NOT EXISTS (SELECT 1 FROM consents WHERE consents.person_id = person.id AND NOT (consents.withdrawn_at IS NULL AND consents.from_at <= :time AND (consents.until_at IS NULL OR consents.until_at > :time)))));

-- CorrectFace, DrawFace, Image, UndoCorrection
SELECT faces.*, best.name AS best_name, second.name AS second_name FROM `faces` LEFT JOIN person AS best ON best.id = faces.best_person_id LEFT JOIN person AS second ON second.id = faces.second_person_id WHERE image_id = :int ORDER BY position;

-- CorrectFace, DrawFace, Image, UndoCorrection
SELECT images.*, person.name AS person_name FROM `images` LEFT JOIN person ON person.id = images.person WHERE images.id = :int LIMIT :int;

-- CorrectFace, FaceCorrections
SELECT `image_id` FROM `faces` WHERE id = :int;

-- CorrectFace, UndoCorrection
SELECT person_images.image_name,person_images.person_id FROM `person_images` JOIN person ON person.id = person_images.person_id WHERE person_images.image_name IN (:text,:text) AND (NOT EXISTS (SELECT 1 FROM consents WHERE consents.person_id = person.id AND NOT (consents.withdrawn_at IS NULL AND consents.from_at <= :time AND (consents.until_at IS NULL OR consents.until_at > :time))));

-- CorrectedImages
SELECT DISTINCT `image_id` FROM `corrections` WHERE undone_at IS NULL;

-- CorrectionsByID
SELECT corrections.*, COALESCE(person.name, '') AS person_name FROM `corrections` LEFT JOIN person ON person.id = corrections.person_id WHERE ((person.id IS NOT NULL OR corrections.kind <> '')) AND corrections.id IN (:int,:int) ORDER BY corrections.id;

-- CountFaces
SELECT COUNT(*) FROM (SELECT 1 FROM faces FORCE INDEX (faces_shows) WHERE best_person_id = :int AND reason = :text LIMIT :int) AS some;

-- CountGroups
SELECT count(*) FROM (SELECT 1 FROM `group_sizes` WHERE model = :text AND faces >= 1 LIMIT :int) AS some;

-- CountImages, SampleTotals
SELECT status, reason, COUNT(*) AS images FROM `images` GROUP BY status, reason ORDER BY status, reason;

-- CountKnownPeople
SELECT COUNT(*) FROM (SELECT DISTINCT person_images.person_id FROM person_images JOIN person ON person.id = person_images.person_id WHERE EXISTS (SELECT 1 FROM consents WHERE consents.person_id = person.id AND consents.withdrawn_at IS NULL AND consents.from_at <= :time AND (consents.until_at IS NULL OR consents.until_at > :time)) LIMIT :int) AS people;

-- CountKnownPeople
SELECT COUNT(*) FROM (SELECT DISTINCT person_images.person_id FROM person_images JOIN person ON person.id = person_images.person_id WHERE NOT EXISTS (SELECT 1 FROM consents WHERE consents.person_id = person.id AND NOT (consents.withdrawn_at IS NULL AND consents.from_at <= :time AND (consents.until_at IS NULL OR consents.until_at > :time))) LIMIT :int) AS people;

-- DeclareWebhook
SELECT * FROM `webhooks` WHERE name = :text;

-- DeclareWebhook
UPDATE `webhooks` SET `types`=:text,`updated_at`=:time,`url`=:text WHERE id = :int;

-- DeleteExpired
SELECT `id`,`path`,`dedup`,`created_at` FROM `images` WHERE id IN (:int) ORDER BY id FOR UPDATE;

-- DeleteExpired
SELECT `id`,`path`,`dedup`,`created_at` FROM `images` WHERE id IN (:int,:int) ORDER BY id FOR UPDATE;

-- DeleteExpired
SELECT `images`.`id` FROM `images` WHERE (((images.status = :int AND images.reason = :text) OR (images.status = :int AND images.reason = :text))) AND images.created_at < :time AND ((images.file_modified < :int OR images.file_modified > :int)) AND (images.retry_at IS NULL AND images.lease_token = 0) AND (NOT EXISTS (SELECT 1 FROM image_rescans WHERE image_rescans.image_id = images.id AND image_rescans.state = :text)) AND (NOT EXISTS (SELECT 1 FROM corrections WHERE corrections.image_id = images.id AND corrections.undone_at IS NULL)) AND images.id IN (:int,:int);

-- DeleteExpired
SELECT `images`.`id` FROM `images` WHERE (((images.status = :int AND images.reason = :text) OR (images.status = :int AND images.reason = :text))) AND images.created_at < :time AND ((images.file_modified < :int OR images.file_modified > :int)) AND (images.retry_at IS NULL AND images.lease_token = 0) AND (NOT EXISTS (SELECT 1 FROM image_rescans WHERE image_rescans.image_id = images.id AND image_rescans.state = :text)) AND images.id IN (:int,:int);

-- DeleteExpired
SELECT `images`.`id` FROM `images` WHERE (((images.status = :int AND images.reason NOT IN (:text)) OR (images.status = :int AND images.reason = :text))) AND images.created_at < :time AND ((images.file_modified < :int OR images.file_modified > :int)) AND (images.retry_at IS NULL AND images.lease_token = 0) AND (NOT EXISTS (SELECT 1 FROM image_rescans WHERE image_rescans.image_id = images.id AND image_rescans.state = :text)) AND images.id IN (:int);

-- DeleteExpired
SELECT `images`.`id` FROM `images` WHERE (((images.status = :int AND images.reason NOT IN (:text)) OR (images.status = :int AND images.reason = :text))) AND images.created_at < :time AND ((images.file_modified < :int OR images.file_modified > :int)) AND (images.retry_at IS NULL AND images.lease_token = 0) AND (NOT EXISTS (SELECT 1 FROM image_rescans WHERE image_rescans.image_id = images.id AND image_rescans.state = :text)) AND images.id IN (:int,:int);

-- DeleteExpired, DeleteImage
DELETE FROM `rematch_changes` WHERE rematch_id IN (:int) AND image_id IN (:int);

-- DeleteExpired, DeleteImage
DELETE FROM `rescan_results` WHERE rescan_id IN (:int) AND image_id IN (:int);

-- DeleteExpired, DeleteImage, DeleteImages
DELETE FROM `corrections` WHERE image_id IN (:int);

-- DeleteExpired, DeleteImage, DeleteImages
DELETE FROM `images` WHERE id IN (:int);

-- DeleteExpired, DeleteImage, DeleteImages
SELECT `id` FROM `images` WHERE path = :text ORDER BY id;

-- DeleteExpired, DeleteImage, DeleteImages
SELECT `id` FROM `rematches` ORDER BY id;

-- DeleteExpired, DeleteImage, DeleteImages
SELECT `id` FROM `rescans` ORDER BY id;

-- DeleteExpired, DeleteImage, DeleteImages, Erase, ReplayErasure, SweepErasedPlaces
DELETE FROM `face_apart` WHERE face_a IN (:int);

-- DeleteExpired, DeleteImage, DeleteImages, Erase, ReplayErasure, SweepErasedPlaces
DELETE FROM `face_apart` WHERE face_b IN (:int);

-- DeleteExpired, DeleteImage, DeleteImages, Finish
DELETE FROM `faces` WHERE image_id IN (:int);

-- DeleteExpired, DeleteImage, DeleteImages, Finish
SELECT `id` FROM `faces` WHERE image_id IN (:int);

-- DeleteExpired, DeleteImage, DeleteImages, Finish, Retry
DELETE FROM `image_rescans` WHERE image_id IN (:int);

-- DeleteExpired, DeleteImage, Erase, ReplayErasure
DELETE FROM `face_apart` WHERE face_a IN (:int,:int);

-- DeleteExpired, DeleteImage, Erase, ReplayErasure
DELETE FROM `face_apart` WHERE face_b IN (:int,:int);

-- DeleteExpired, DeleteImages
DELETE FROM `corrections` WHERE image_id IN (:int,:int);

-- DeleteExpired, DeleteImages
DELETE FROM `images` WHERE id IN (:int,:int);

-- DeleteExpired, DeleteImages, Finish
DELETE FROM `faces` WHERE image_id IN (:int,:int);

-- DeleteExpired, DeleteImages, Finish
SELECT `id` FROM `faces` WHERE image_id IN (:int,:int);

-- DeleteExpired, DeleteImages, Retry
DELETE FROM `image_rescans` WHERE image_id IN (:int,:int);

-- DeleteExpired, ExpiredImages
SELECT UTC_TIMESTAMP(6);

-- DeleteImage
DELETE FROM `rematch_changes` WHERE rematch_id IN (:int,:int) AND image_id IN (:int);

-- DeleteImage
UPDATE `images` SET `dedup`=:int,`duplicate_of`=:int WHERE id = :int;

-- DeleteImage
UPDATE `images` SET `duplicate_of`=:int WHERE id IN (:int);

-- DeleteImage, DeleteImages
SELECT `id`,`path`,`dedup`,`status`,`reason`,`updated_at` FROM `images` WHERE id IN (:int) ORDER BY id FOR UPDATE;

-- DeleteImages
DELETE FROM `rematch_changes` WHERE rematch_id IN (:int) AND image_id IN (:int,:int);

-- DeleteImages
DELETE FROM `rescan_results` WHERE rescan_id IN (:int) AND image_id IN (:int,:int);

-- DeleteImages
SELECT `id`,`path`,`dedup`,`status`,`reason`,`updated_at` FROM `images` WHERE id IN (:int,:int) ORDER BY id FOR UPDATE;

-- DeleteKnownPicture
SELECT * FROM `person_images` WHERE id = :int AND person_id = :int LIMIT :int;

-- DeleteKnownPicture
UPDATE `person_images` SET `person_id`=:int,`source`=:text WHERE id = :int;

-- DeleteKnownPicture, UndoGroupChange
DELETE FROM `person_images` WHERE `person_images`.`id` = :int;

-- DeletePerson
DELETE FROM `corrections` WHERE person_id = :int;

-- DeletePerson
DELETE FROM `merges` WHERE person_id = :int OR merged_id = :int;

-- DeletePerson
DELETE FROM `person_images` WHERE person_id = :int;

-- DeletePerson
SELECT * FROM `person_images` WHERE person_id = :int AND image_name IS NOT NULL ORDER BY id;

-- DeletePerson
UPDATE `faces` SET `best_distance`=:int,`best_parts`=:text,`best_person_id`=:int,`corrected`=:int,`matched_image`=:text,`reason`=CASE WHEN reason IN (:text,:text) THEN :text ELSE reason END WHERE image_id IN (:int,:int) AND best_person_id = :int;

-- DeletePerson
UPDATE `images` SET `person`=COALESCE((SELECT best_person_id FROM faces WHERE faces.image_id = images.id AND faces.reason = :text ORDER BY CASE WHEN faces.corrected = :int THEN 0 ELSE 1 END, faces.best_distance, faces.position LIMIT 1), -1) WHERE images.id IN (:int,:int);

-- DeletePerson
UPDATE `images` SET `reason`=:text WHERE id IN (:int,:int) AND reason = :text AND NOT EXISTS (SELECT 1 FROM faces WHERE faces.image_id = images.id AND faces.best_person_id <> :int AND faces.reason <> :text);

-- DeletePerson
UPDATE `images` SET `reason`=:text,`status`=:int WHERE id IN (:int,:int) AND person = :int AND status = :int;

-- DeletePerson
UPDATE `person_folders` SET `person_id`=:int WHERE person_id IN (:int);

-- DeletePerson
UPDATE `person_folders` SET `person_id`=:int WHERE person_id IN (:int,:int);

-- DeletePerson, Erase
DELETE FROM `consents` WHERE person_id IN (:int,:int);

-- DeletePerson, Erase, Finish, MergePeople, SetAnswers, UndoCorrection, UndoMerge
SELECT `id` FROM `images` WHERE (images.status = :int AND images.reason = :text) AND id IN (:int);

-- DeletePerson, Erase, ForgetErasedMentions, MergePeople, ReplayErasure, UndoMerge
SELECT DISTINCT `image_id` FROM `faces` WHERE best_person_id = :int;

-- DeletePerson, Erase, ForgetErasedMentions, MergePeople, ReplayErasure, UndoMerge
SELECT `id` FROM `images` WHERE person = :int;

-- DeletePerson, Erase, ForgetErasedMentions, ReplayErasure
SELECT DISTINCT `image_id` FROM `faces` WHERE second_person_id = :int;

-- DeletePerson, Erase, ForgetErasedMentions, ReplayErasure
UPDATE `faces` SET `second_distance`=:int,`second_image`=:text,`second_parts`=:text,`second_person_id`=:int WHERE second_person_id = :int;

-- DeletePerson, Erase, MergePeople, ReplayErasure
DELETE FROM `person` WHERE `person`.`id` = :int;

-- DeletePerson, Erase, PlanErasure, ReplayErasure, SyncKnownImages, UndoGroupChange
SELECT `person_id`,`merged_id` FROM `merges` WHERE undone_at IS NULL;

-- DeletePerson, Erase, ReplayErasure
DELETE FROM `consents` WHERE person_id IN (:int);

-- DeletePerson, Finish, MergePeople, SetAnswers, UndoCorrection, UndoMerge
UPDATE `images` SET `certainty`=CASE id WHEN :int THEN :int END WHERE id IN (:int);

-- DeletePerson, ForgetErasedMentions
SELECT `id` FROM `images` WHERE (images.status = :int AND images.reason = :text) AND id IN (:int,:int);

-- DeletePerson, MergePeople
SELECT COUNT(DISTINCT(`image_id`)) FROM `faces` WHERE best_person_id = :int AND reason = :text;

-- DeleteSession
DELETE FROM `sessions` WHERE token_sha256 = :bytes;

-- DeleteUser
DELETE FROM `sign_in_codes` WHERE user_id = :int;

-- DeleteUser
DELETE FROM `user_identities` WHERE user_id = :int;

-- DeleteUser
DELETE FROM `user_passwords` WHERE user_id = :int;

-- DeleteUser
DELETE FROM `users` WHERE id = :int;

-- DeleteUser
SELECT * FROM `users` WHERE name = :text LIMIT :int FOR UPDATE;

-- DeleteUser, SetPassword, UseCode
DELETE FROM `sessions` WHERE user_id = :int;

-- DeleteWebhook
DELETE FROM `webhook_deliveries` WHERE webhook_id = :int;

-- DeleteWebhook
DELETE FROM `webhooks` WHERE id = :int;

-- Deliveries
SELECT * FROM `webhook_deliveries` WHERE webhook_id = :int ORDER BY id DESC LIMIT :int;

-- DescriptorsOf
SELECT id, descriptor, descriptor_rest FROM faces WHERE id IN (:int,:int) AND model = :text;

-- Directory
SELECT * FROM `api_keys` ORDER BY id;

-- Directory
SELECT * FROM `users` ORDER BY id;

-- DrawFace
SELECT `faces`.`id`,`faces`.`image_id`,`faces`.`position`,`faces`.`x`,`faces`.`y`,`faces`.`width`,`faces`.`height`,`faces`.`landmarks`,`faces`.`descriptor`,`faces`.`model`,`faces`.`reason`,`faces`.`best_person_id`,`faces`.`best_distance`,`faces`.`matched_image`,`faces`.`second_person_id`,`faces`.`second_distance`,`faces`.`second_image`,`faces`.`created_at`,`faces`.`quality_score`,`faces`.`quality_size`,`faces`.`quality_sharpness`,`faces`.`quality_yaw`,`faces`.`quality_roll`,`faces`.`quality_detection`,`faces`.`quality_cut_off`,`faces`.`gallery`,`faces`.`corrected`,`faces`.`descriptor_rest`,`faces`.`best_parts`,`faces`.`second_parts`,`faces`.`drawn` FROM `faces` WHERE (image_id = :int AND drawn = :int) AND (x = :int AND y = :int AND width = :int AND height = :int) LIMIT :int;

-- DrawFace
SELECT `id`,`path`,`file_sha256` FROM `images` WHERE id = :int LIMIT :int;

-- DrawFace, Finish
INSERT INTO `faces` (`image_id`,`position`,`x`,`y`,`width`,`height`,`landmarks`,`descriptor`,`model`,`reason`,`best_person_id`,`best_distance`,`matched_image`,`second_person_id`,`second_distance`,`second_image`,`created_at`,`quality_score`,`quality_size`,`quality_sharpness`,`quality_yaw`,`quality_roll`,`quality_detection`,`quality_cut_off`,`gallery`,`corrected`,`descriptor_rest`,`best_parts`,`second_parts`,`drawn`) VALUES (:int,:int,:int,:int,:int,:int,:text,:bytes,:text,:text,:int,:float,:text,:int,:float,:text,:time,:float,:int,:float,:float,:float,:float,:float,:text,:int,:bytes,:text,:text,:int);

-- DrawFace, Finish
UPDATE `faces` SET `position`=position + 1 WHERE image_id = :int AND position >= :int;

-- DrawFace, Finish, SweepErasedPlaces
SELECT * FROM `erased_places` WHERE path_mark IN (:bytes) OR content_mark IN (:bytes) ORDER BY id;

-- DrawFace, Finish, SweepErasedPlaces, SyncKnownImages
SELECT DISTINCT `salt` FROM `erasures`;

-- DrawFace, Finish, UndoCorrection
SELECT `id`,`position`,`x`,`y`,`width`,`height`,`drawn` FROM `faces` WHERE image_id = :int ORDER BY position, id;

-- DropAttempt
DELETE FROM `idempotency_keys` WHERE (key_sha256 = :bytes AND token = :int AND status = 0) AND acted = :int;

-- DropAttempt, RenewAttempt
UPDATE `idempotency_keys` SET `lease_until`=:time WHERE key_sha256 = :bytes AND token = :int AND status = 0;

-- EachRow
SELECT * FROM `api_keys`;

-- EachRow
SELECT * FROM `audit_log`;

-- EachRow
SELECT * FROM `consents`;

-- EachRow
SELECT * FROM `corrections`;

-- EachRow
SELECT * FROM `erased_places`;

-- EachRow
SELECT * FROM `erasures`;

-- EachRow
SELECT * FROM `event_state`;

-- EachRow
SELECT * FROM `events`;

-- EachRow
SELECT * FROM `face_apart`;

-- EachRow
SELECT * FROM `face_groups`;

-- EachRow
SELECT * FROM `faces`;

-- EachRow
SELECT * FROM `group_changes`;

-- EachRow
SELECT * FROM `group_sizes`;

-- EachRow
SELECT * FROM `grouping_parts`;

-- EachRow
SELECT * FROM `grouping`;

-- EachRow
SELECT * FROM `idempotency_keys`;

-- EachRow
SELECT * FROM `image_rescans`;

-- EachRow
SELECT * FROM `image_totals`;

-- EachRow
SELECT * FROM `images`;

-- EachRow
SELECT * FROM `merges`;

-- EachRow
SELECT * FROM `outbox`;

-- EachRow
SELECT * FROM `outcome_minutes`;

-- EachRow
SELECT * FROM `person_images`;

-- EachRow
SELECT * FROM `program_states`;

-- EachRow
SELECT * FROM `rematch_changes`;

-- EachRow
SELECT * FROM `rematch_state`;

-- EachRow
SELECT * FROM `rematches`;

-- EachRow
SELECT * FROM `rescan_results`;

-- EachRow
SELECT * FROM `rescans`;

-- EachRow
SELECT * FROM `retention`;

-- EachRow
SELECT * FROM `schema_migrations`;

-- EachRow
SELECT * FROM `sessions`;

-- EachRow
SELECT * FROM `settings`;

-- EachRow
SELECT * FROM `sign_in_codes`;

-- EachRow
SELECT * FROM `user_identities`;

-- EachRow
SELECT * FROM `user_passwords`;

-- EachRow
SELECT * FROM `users`;

-- EachRow
SELECT * FROM `webhook_deliveries`;

-- EachRow
SELECT * FROM `webhooks`;

-- EachRow, EndRematch, Reflect
SELECT * FROM `rematch_known`;

-- EachRow, SyncKnownImages
SELECT * FROM `erased_marks`;

-- EachRow, SyncKnownImages
SELECT * FROM `person_folders`;

-- EndAttempt
UPDATE `idempotency_keys` SET `answer`=:bytes,`body_sha256`=:bytes,`body_size`=:int,`headers`=:text,`status`=:int WHERE key_sha256 = :bytes AND token = :int AND status = 0;

-- EndErasure
SELECT * FROM `erasures` WHERE id = :int AND lease_token = :int LIMIT :int;

-- EndErasure
UPDATE `erasures` SET `counts`=:text,`erased_at`=:time,`lease_token`=:int,`lease_until`=:null,`state`=:text WHERE id = :int;

-- EndRematch
UPDATE `rematches` SET `detail`=:text,`finished_at`=:time,`state`=:text WHERE id = :int;

-- EndRematch, Reflect
UPDATE `rematch_state` SET `dirty`=:int,`face_mark`=:int,`fingerprint`=:text,`gallery`=:text,`margin`=:float,`model`=:text,`rule`=:text,`threshold`=:float WHERE id = 1;

-- EndWebhookLease
UPDATE `webhooks` SET `delivered`=:int,`failing_since`=:time,`failures`=:int,`lease_token`=:int,`lease_until`=:null,`next_attempt`=:time,`state`=:text WHERE id = :int AND lease_token = :int;

-- Erase
DELETE FROM `corrections` WHERE id IN (:int,:int);

-- Erase
DELETE FROM `corrections` WHERE person_id IN (:int,:int);

-- Erase
DELETE FROM `group_changes` WHERE person_id IN (:int,:int);

-- Erase
DELETE FROM `merges` WHERE person_id IN (:int,:int) OR merged_id IN (:int,:int);

-- Erase
DELETE FROM `merges` WHERE person_id IN (:int,:int);

-- Erase
DELETE FROM `person_folders` WHERE person_id IN (:int,:int) OR person_id = 0 AND name IN (:text,:text);

-- Erase
DELETE FROM `person_folders` WHERE person_id IN (:int,:int);

-- Erase
DELETE FROM `person_images` WHERE id IN (:int,:int);

-- Erase
DELETE FROM `person_images` WHERE person_id IN (:int,:int);

-- Erase
DELETE FROM `rematch_known` WHERE person_id IN (:int,:int);

-- Erase
INSERT INTO `erased_marks` (`mark`,`kind`,`erasure_id`) VALUES (:bytes,:text,:int) ON DUPLICATE KEY UPDATE `mark`=`mark`;

-- Erase
SELECT * FROM `erasures` WHERE person_id = :int ORDER BY id DESC LIMIT :int;

-- Erase
SELECT `salt` FROM `erasures` ORDER BY id DESC LIMIT :int;

-- Erase, Finish, ReplayErasure, UndoCorrection
DELETE FROM `faces` WHERE id IN (:int);

-- Erase, ForgetErasedMentions
UPDATE `corrections` SET `candidates`=:text WHERE id = :int;

-- Erase, ForgetErasedMentions, ReplayErasure
SELECT `id`,`candidates` FROM `corrections` WHERE candidates LIKE :text;

-- Erase, PlanErasure
SELECT * FROM `merges` WHERE undone_at IS NULL AND (person_id IN (:int,:int) OR merged_id IN (:int,:int));

-- Erase, PlanErasure
SELECT * FROM `person_images` WHERE person_id IN (:int,:int) AND image_name IS NOT NULL ORDER BY id;

-- Erase, PlanErasure
SELECT `content_id` FROM `rematch_known` WHERE person_id IN (:int,:int);

-- Erase, PlanErasure
SELECT `corrections`.`id`,`corrections`.`image_id`,`corrections`.`x`,`corrections`.`y`,`corrections`.`width`,`corrections`.`height`,`corrections`.`descriptor`,`corrections`.`model`,`corrections`.`person_id`,`corrections`.`excludes`,`corrections`.`candidates`,`corrections`.`created_at`,`corrections`.`undone_at`,`corrections`.`changed_at`,`corrections`.`pending`,`corrections`.`descriptor_rest`,`corrections`.`kind`,`corrections`.`describe_at`,`corrections`.`group_change_id` FROM `corrections` WHERE person_id IN (:int,:int) AND excludes = :int AND kind = '' AND undone_at IS NULL ORDER BY id;

-- Erase, PlanErasure
SELECT `descriptor`,`descriptor_rest` FROM `corrections` WHERE id IN (:int,:int) AND excludes = :int;

-- Erase, PlanErasure
SELECT `faces`.`id`,`faces`.`image_id`,`faces`.`position`,`faces`.`x`,`faces`.`y`,`faces`.`width`,`faces`.`height`,`faces`.`landmarks`,`faces`.`descriptor`,`faces`.`model`,`faces`.`reason`,`faces`.`best_person_id`,`faces`.`best_distance`,`faces`.`matched_image`,`faces`.`second_person_id`,`faces`.`second_distance`,`faces`.`second_image`,`faces`.`created_at`,`faces`.`quality_score`,`faces`.`quality_size`,`faces`.`quality_sharpness`,`faces`.`quality_yaw`,`faces`.`quality_roll`,`faces`.`quality_detection`,`faces`.`quality_cut_off`,`faces`.`gallery`,`faces`.`corrected`,`faces`.`descriptor_rest`,`faces`.`best_parts`,`faces`.`second_parts`,`faces`.`drawn` FROM `faces` WHERE best_person_id IN (:int,:int) ORDER BY image_id, position;

-- Erase, PlanErasure
SELECT `id` FROM `corrections` WHERE person_id IN (:int,:int);

-- Erase, PlanErasure
SELECT `name` FROM `person_folders` WHERE person_id IN (:int,:int);

-- Erase, PlanErasure
SELECT count(*) FROM `faces` WHERE second_person_id IN (:int,:int);

-- Erase, PlanErasure, ReplayErasure
SELECT * FROM `merges` WHERE undone_at IS NULL AND (person_id IN (:int) OR merged_id IN (:int));

-- Erase, PlanErasure, ReplayErasure
SELECT * FROM `person_images` WHERE person_id = 0 AND source = :text AND image_name IS NOT NULL ORDER BY id;

-- Erase, PlanErasure, ReplayErasure
SELECT * FROM `person_images` WHERE person_id IN (:int) AND image_name IS NOT NULL ORDER BY id;

-- Erase, PlanErasure, ReplayErasure
SELECT `content_id` FROM `rematch_known` WHERE person_id IN (:int);

-- Erase, PlanErasure, ReplayErasure
SELECT `corrections`.`id`,`corrections`.`image_id`,`corrections`.`x`,`corrections`.`y`,`corrections`.`width`,`corrections`.`height`,`corrections`.`descriptor`,`corrections`.`model`,`corrections`.`person_id`,`corrections`.`excludes`,`corrections`.`candidates`,`corrections`.`created_at`,`corrections`.`undone_at`,`corrections`.`changed_at`,`corrections`.`pending`,`corrections`.`descriptor_rest`,`corrections`.`kind`,`corrections`.`describe_at`,`corrections`.`group_change_id` FROM `corrections` WHERE image_id IN (:int,:int) ORDER BY id;

-- Erase, PlanErasure, ReplayErasure
SELECT `corrections`.`id`,`corrections`.`image_id`,`corrections`.`x`,`corrections`.`y`,`corrections`.`width`,`corrections`.`height`,`corrections`.`descriptor`,`corrections`.`model`,`corrections`.`person_id`,`corrections`.`excludes`,`corrections`.`candidates`,`corrections`.`created_at`,`corrections`.`undone_at`,`corrections`.`changed_at`,`corrections`.`pending`,`corrections`.`descriptor_rest`,`corrections`.`kind`,`corrections`.`describe_at`,`corrections`.`group_change_id` FROM `corrections` WHERE person_id IN (:int) AND excludes = :int AND kind = '' AND undone_at IS NULL ORDER BY id;

-- Erase, PlanErasure, ReplayErasure
SELECT `faces`.`id`,`faces`.`image_id`,`faces`.`position`,`faces`.`x`,`faces`.`y`,`faces`.`width`,`faces`.`height`,`faces`.`landmarks`,`faces`.`descriptor`,`faces`.`model`,`faces`.`reason`,`faces`.`best_person_id`,`faces`.`best_distance`,`faces`.`matched_image`,`faces`.`second_person_id`,`faces`.`second_distance`,`faces`.`second_image`,`faces`.`created_at`,`faces`.`quality_score`,`faces`.`quality_size`,`faces`.`quality_sharpness`,`faces`.`quality_yaw`,`faces`.`quality_roll`,`faces`.`quality_detection`,`faces`.`quality_cut_off`,`faces`.`gallery`,`faces`.`corrected`,`faces`.`descriptor_rest`,`faces`.`best_parts`,`faces`.`second_parts`,`faces`.`drawn` FROM `faces` WHERE best_person_id IN (:int) ORDER BY image_id, position;

-- Erase, PlanErasure, ReplayErasure
SELECT `id` FROM `corrections` WHERE person_id IN (:int);

-- Erase, PlanErasure, ReplayErasure
SELECT `id`,`path`,`status`,`reason`,`file_sha256` FROM `images` WHERE id IN (:int,:int) ORDER BY id;

-- Erase, PlanErasure, ReplayErasure
SELECT `name` FROM `person_folders` WHERE person_id IN (:int);

-- Erase, PlanErasure, ReplayErasure
SELECT count(*) FROM `faces` WHERE second_person_id IN (:int);

-- Erase, ReplayErasure
DELETE FROM `corrections` WHERE person_id IN (:int);

-- Erase, ReplayErasure
DELETE FROM `group_changes` WHERE person_id IN (:int);

-- Erase, ReplayErasure
DELETE FROM `merges` WHERE person_id IN (:int) OR merged_id IN (:int);

-- Erase, ReplayErasure
DELETE FROM `merges` WHERE person_id IN (:int);

-- Erase, ReplayErasure
DELETE FROM `person_folders` WHERE person_id IN (:int) OR person_id = 0 AND name IN (:text);

-- Erase, ReplayErasure
DELETE FROM `person_folders` WHERE person_id IN (:int);

-- Erase, ReplayErasure
DELETE FROM `person_images` WHERE id IN (:int);

-- Erase, ReplayErasure
DELETE FROM `person_images` WHERE person_id IN (:int);

-- Erase, ReplayErasure
DELETE FROM `rematch_known` WHERE person_id IN (:int);

-- Erase, ReplayErasure
INSERT INTO `erased_marks` (`mark`,`kind`,`erasure_id`) VALUES (:bytes,:text,:int),(:bytes,:text,:int) ON DUPLICATE KEY UPDATE `mark`=`mark`;

-- Erase, ReplayErasure
INSERT INTO `erased_places` (`erasure_id`,`path_mark`,`content_mark`,`x`,`y`,`width`,`height`,`model`) VALUES (:int,:bytes,:bytes,:int,:int,:int,:int,:text),(:int,:bytes,:bytes,:int,:int,:int,:int,:text);

-- Erase, ReplayErasure
INSERT INTO `erased_places` (`erasure_id`,`path_mark`,`content_mark`,`x`,`y`,`width`,`height`,`model`) VALUES (:int,:bytes,:bytes,:int,:int,:int,:int,:text);

-- Erase, ReplayErasure
INSERT INTO `erasures` (`public_id`,`salt`,`person_id`,`images`,`state`,`entry`,`counts`,`left_files`,`found`,`lease_token`,`lease_until`,`created_at`,`erased_at`,`searched_at`,`verified_at`) VALUES (:text,:text,:int,:text,:text,:text,:text,:int,:text,:int,:null,:time,:null,:null,:null);

-- Erase, ReplayErasure
SELECT `corrections`.`id`,`corrections`.`image_id`,`corrections`.`x`,`corrections`.`y`,`corrections`.`width`,`corrections`.`height`,`corrections`.`descriptor`,`corrections`.`model`,`corrections`.`person_id`,`corrections`.`excludes`,`corrections`.`candidates`,`corrections`.`created_at`,`corrections`.`undone_at`,`corrections`.`changed_at`,`corrections`.`pending`,`corrections`.`descriptor_rest`,`corrections`.`kind`,`corrections`.`describe_at`,`corrections`.`group_change_id` FROM `corrections` WHERE image_id IN (:int) ORDER BY id;

-- Erase, ReplayErasure
SELECT `id`,`path`,`status`,`reason`,`file_sha256` FROM `images` WHERE id IN (:int) ORDER BY id;

-- Erase, ReplayErasure
SELECT table_name FROM information_schema.columns WHERE table_schema = DATABASE() AND column_name = 'person_id' ORDER BY table_name;

-- Erase, ReplayErasure, SweepErasedPlaces
DELETE FROM `faces` WHERE id IN (:int,:int);

-- Erasure
SELECT * FROM `erasures` WHERE public_id = :text;

-- ErasureEntries
SELECT * FROM `erasures` WHERE id > :int ORDER BY id LIMIT :int;

-- Erasures
SELECT * FROM `erasures` ORDER BY id DESC LIMIT :int;

-- Erasures
SELECT * FROM `erasures` WHERE id < (SELECT `id` FROM `erasures` WHERE public_id = :text) ORDER BY id DESC LIMIT :int;

-- ErasuresChanged
SELECT COALESCE(MAX(id), 0) AS last, COUNT(erased_at) AS erased FROM `erasures`;

-- ErasuresNotVerified
SELECT `id`,`created_at` FROM `erasures` WHERE state IN (:text,:text) ORDER BY created_at LIMIT :int;

-- ErasuresNotVerified
SELECT count(*) FROM `erasures` WHERE state IN (:text,:text);

-- EventBacklog
SELECT `created_at` FROM `outbox` ORDER BY id LIMIT :int;

-- Events
SELECT * FROM `events` WHERE (seq > :int AND seq <= :int) AND type IN (:text) ORDER BY seq LIMIT :int;

-- Events
SELECT * FROM `events` WHERE seq > :int AND seq <= :int ORDER BY seq LIMIT :int;

-- Events
SELECT * FROM `events` WHERE seq IN (:int,:int);

-- Events
SELECT * FROM `person` WHERE id IN (:int);

-- Events
SELECT `id`,`path` FROM `images` WHERE id IN (:int,:int);

-- Events, Finish
SELECT `id`,`path` FROM `images` WHERE id IN (:int);

-- Events, RematchChanges, RematchSummary, RescanResults
SELECT * FROM `person` WHERE id IN (:int,:int);

-- ExpiredImages
SELECT images.id,images.path,images.created_at FROM `images` WHERE (((images.status = :int AND images.reason = :text) OR (images.status = :int AND images.reason = :text))) AND images.created_at < :time AND ((images.file_modified < :int OR images.file_modified > :int)) AND (images.retry_at IS NULL AND images.lease_token = 0) AND (NOT EXISTS (SELECT 1 FROM image_rescans WHERE image_rescans.image_id = images.id AND image_rescans.state = :text)) AND (NOT EXISTS (SELECT 1 FROM corrections WHERE corrections.image_id = images.id AND corrections.undone_at IS NULL)) AND images.id > :int AND images.id < :int ORDER BY images.id LIMIT :int;

-- ExpiredImages
SELECT images.id,images.path,images.created_at FROM `images` WHERE (((images.status = :int AND images.reason = :text) OR (images.status = :int AND images.reason = :text))) AND images.created_at < :time AND ((images.file_modified < :int OR images.file_modified > :int)) AND (images.retry_at IS NULL AND images.lease_token = 0) AND (NOT EXISTS (SELECT 1 FROM image_rescans WHERE image_rescans.image_id = images.id AND image_rescans.state = :text)) AND (NOT EXISTS (SELECT 1 FROM corrections WHERE corrections.image_id = images.id AND corrections.undone_at IS NULL)) AND images.id > :int ORDER BY images.id LIMIT :int;

-- ExpiredImages
SELECT images.id,images.path,images.created_at FROM `images` WHERE (((images.status = :int AND images.reason = :text) OR (images.status = :int AND images.reason = :text))) AND images.created_at < :time AND ((images.file_modified < :int OR images.file_modified > :int)) AND (images.retry_at IS NULL AND images.lease_token = 0) AND (NOT EXISTS (SELECT 1 FROM image_rescans WHERE image_rescans.image_id = images.id AND image_rescans.state = :text)) AND images.id > :int AND images.id < :int ORDER BY images.id LIMIT :int;

-- ExpiredImages
SELECT images.id,images.path,images.created_at FROM `images` WHERE (((images.status = :int AND images.reason = :text) OR (images.status = :int AND images.reason = :text))) AND images.created_at < :time AND ((images.file_modified < :int OR images.file_modified > :int)) AND (images.retry_at IS NULL AND images.lease_token = 0) AND (NOT EXISTS (SELECT 1 FROM image_rescans WHERE image_rescans.image_id = images.id AND image_rescans.state = :text)) AND images.id > :int ORDER BY images.id LIMIT :int;

-- ExpiredImages
SELECT images.id,images.path,images.created_at FROM `images` WHERE (((images.status = :int AND images.reason NOT IN (:text)) OR (images.status = :int AND images.reason = :text))) AND images.created_at < :time AND ((images.file_modified < :int OR images.file_modified > :int)) AND (images.retry_at IS NULL AND images.lease_token = 0) AND (NOT EXISTS (SELECT 1 FROM image_rescans WHERE image_rescans.image_id = images.id AND image_rescans.state = :text)) AND (NOT EXISTS (SELECT 1 FROM corrections WHERE corrections.image_id = images.id AND corrections.undone_at IS NULL)) AND images.id > :int AND images.id < :int ORDER BY images.id LIMIT :int;

-- ExpiredImages
SELECT images.id,images.path,images.created_at FROM `images` WHERE (((images.status = :int AND images.reason NOT IN (:text)) OR (images.status = :int AND images.reason = :text))) AND images.created_at < :time AND ((images.file_modified < :int OR images.file_modified > :int)) AND (images.retry_at IS NULL AND images.lease_token = 0) AND (NOT EXISTS (SELECT 1 FROM image_rescans WHERE image_rescans.image_id = images.id AND image_rescans.state = :text)) AND (NOT EXISTS (SELECT 1 FROM corrections WHERE corrections.image_id = images.id AND corrections.undone_at IS NULL)) AND images.id > :int ORDER BY images.id LIMIT :int;

-- ExpiredImages
SELECT images.id,images.path,images.created_at FROM `images` WHERE (((images.status = :int AND images.reason NOT IN (:text)) OR (images.status = :int AND images.reason = :text))) AND images.created_at < :time AND ((images.file_modified < :int OR images.file_modified > :int)) AND (images.retry_at IS NULL AND images.lease_token = 0) AND (NOT EXISTS (SELECT 1 FROM image_rescans WHERE image_rescans.image_id = images.id AND image_rescans.state = :text)) AND images.id > :int AND images.id < :int ORDER BY images.id LIMIT :int;

-- ExpiredImages, ListImages, PageOfImages
SELECT `id` FROM images FORCE INDEX (images_created) WHERE created_at >= :time ORDER BY created_at, id LIMIT :int;

-- FacesApart
SELECT `face_a`,`face_b` FROM `face_apart` WHERE model = :text AND undone_at IS NULL;

-- FacesByID
SELECT id, image_id, x, y, width, height, model, gallery, reason, corrected, best_person_id, best_distance, matched_image, best_parts, second_person_id, second_distance, second_image, second_parts, quality_score, quality_size, quality_sharpness, quality_yaw, quality_roll, quality_detection, quality_cut_off, descriptor, descriptor_rest FROM faces WHERE id IN (:int,:int) ORDER BY id;

-- FacesOfPerson
SELECT corrections.*, COALESCE(person.name, '') AS person_name FROM `corrections` LEFT JOIN person ON person.id = corrections.person_id WHERE ((person.id IS NOT NULL OR corrections.kind <> '')) AND corrections.image_id IN (:int,:int) ORDER BY corrections.id;

-- FacesOfPerson
SELECT id, image_id, best_distance, corrected FROM faces FORCE INDEX (faces_shows) WHERE best_person_id = :int AND reason = :text ORDER BY image_id DESC LIMIT :int;

-- FacesOfPerson, ListImages, PageOfImages
SELECT images.*, person.name AS person_name FROM `images` LEFT JOIN person ON person.id = images.person WHERE images.id IN (:int);

-- FacesOfPerson, ListImages, PageOfImages, SomeImages
SELECT faces.id, faces.image_id, faces.x, faces.y, faces.width, faces.height, faces.model, faces.gallery, faces.reason, faces.drawn, faces.corrected, faces.best_person_id, faces.best_distance, faces.matched_image, faces.best_parts, faces.second_person_id, faces.second_distance, faces.second_image, faces.second_parts, faces.quality_score, faces.quality_size, faces.quality_sharpness, faces.quality_yaw, faces.quality_roll, faces.quality_detection, faces.quality_cut_off, best.name AS best_name, second.name AS second_name FROM `faces` LEFT JOIN person AS best ON best.id = faces.best_person_id LEFT JOIN person AS second ON second.id = faces.second_person_id WHERE image_id IN (:int,:int) ORDER BY image_id, position;

-- FacesOfPerson, ListImages, PageOfImages, SomeImages
SELECT images.*, person.name AS person_name FROM `images` LEFT JOIN person ON person.id = images.person WHERE images.id IN (:int,:int);

-- FacesPage
SELECT id, image_id, x, y, width, height, model, gallery, reason, corrected, best_person_id, best_distance, matched_image, best_parts, second_person_id, second_distance, second_image, second_parts, quality_score, quality_size, quality_sharpness, quality_yaw, quality_roll, quality_detection, quality_cut_off, descriptor, descriptor_rest FROM faces WHERE model = :text AND id > :int AND id <= :int ORDER BY id LIMIT :int;

-- FindKnownPicture, KnownPictureOf
SELECT * FROM `person_images` WHERE person_id = :int AND image_name = :text ORDER BY id LIMIT :int;

-- Finish
DELETE FROM `face_apart` WHERE face_a = :int AND face_b = :int;

-- Finish
DELETE FROM `face_apart` WHERE face_a = :int;

-- Finish
DELETE FROM `face_apart` WHERE face_b = :int;

-- Finish
INSERT INTO `faces` (`image_id`,`position`,`x`,`y`,`width`,`height`,`landmarks`,`descriptor`,`model`,`reason`,`best_person_id`,`best_distance`,`matched_image`,`second_person_id`,`second_distance`,`second_image`,`created_at`,`quality_score`,`quality_size`,`quality_sharpness`,`quality_yaw`,`quality_roll`,`quality_detection`,`quality_cut_off`,`gallery`,`corrected`,`descriptor_rest`,`best_parts`,`second_parts`,`drawn`) VALUES (:int,:int,:int,:int,:int,:int,:text,:bytes,:text,:text,:int,:float,:text,:int,:float,:text,:time,:float,:int,:float,:float,:float,:float,:float,:text,:int,:bytes,:text,:text,:int),(:int,:int,:int,:int,:int,:int,:text,:bytes,:text,:text,:int,:float,:text,:int,:float,:text,:time,:float,:int,:float,:float,:float,:float,:float,:text,:int,:bytes,:text,:text,:int);

-- Finish
INSERT INTO `rescan_results` (`rescan_id`,`image_id`,`state`,`from_reason`,`from_person`,`to_reason`,`to_person`,`faces_before`,`faces_after`,`people_found`,`people_lost`,`corrections_unplaced`,`detail`) VALUES (:int,:int,:text,:text,:int,:text,:int,:int,:int,:text,:text,:int,:text) ON DUPLICATE KEY UPDATE `rescan_id`=`rescan_id`;

-- Finish
SELECT * FROM `faces` WHERE id IN (:int);

-- Finish
SELECT * FROM `faces` WHERE id IN (:int,:int);

-- Finish
SELECT * FROM `faces` WHERE image_id IN (:int) ORDER BY id;

-- Finish
SELECT DISTINCT `face_a` FROM `face_apart` WHERE face_a IN (:int);

-- Finish
SELECT DISTINCT `face_a` FROM `face_apart` WHERE face_a IN (:int,:int);

-- Finish
SELECT DISTINCT `face_b` FROM `face_apart` WHERE face_b IN (:int);

-- Finish
SELECT DISTINCT `face_b` FROM `face_apart` WHERE face_b IN (:int,:int);

-- Finish
SELECT DISTINCT `image_id` FROM `corrections` WHERE image_id IN (:int) AND kind = :text;

-- Finish
SELECT DISTINCT `image_id` FROM `corrections` WHERE image_id IN (:int,:int) AND kind = :text;

-- Finish
SELECT `id`,`lease_token` FROM `images` WHERE id IN (:int) AND status = :int FOR UPDATE;

-- Finish
SELECT `id`,`lease_token` FROM `images` WHERE id IN (:int,:int) AND status = :int FOR UPDATE;

-- Finish
SELECT `image_id`,`reason`,`best_person_id` FROM `faces` WHERE image_id IN (:int);

-- Finish
UPDATE `corrections` SET `changed_at`=:time,`describe_at`=:time,`pending`=:int WHERE image_id IN (:int) AND kind = :text AND undone_at IS NULL;

-- Finish
UPDATE `corrections` SET `changed_at`=:time,`pending`=:int WHERE image_id IN (:int) AND undone_at IS NULL;

-- Finish
UPDATE `corrections` SET `changed_at`=:time,`pending`=:int WHERE image_id IN (:int,:int) AND undone_at IS NULL;

-- Finish
UPDATE `face_apart` SET `face_a`=:int,`model`=:text WHERE face_a = :int;

-- Finish
UPDATE `face_apart` SET `face_b`=:int,`model`=:text WHERE face_b = :int;

-- Finish
UPDATE `image_rescans` SET `again`=:int,`attempts`=:int,`lease_owner`=:text,`lease_token`=:int,`lease_until`=:null,`published_at`=:null,`updated_at`=:time WHERE image_id IN (:int);

-- Finish
UPDATE `image_rescans` SET `detail`=:text,`lease_owner`=:text,`lease_token`=:int,`lease_until`=:null,`reason`=:text,`state`=:text,`updated_at`=:time WHERE image_id = :int;

-- Finish
UPDATE `images` SET `detail`=CASE id WHEN :int THEN :text END,`file_modified`=CASE id WHEN :int THEN :int END,`file_sha256`=CASE id WHEN :int THEN :text END,`file_size`=CASE id WHEN :int THEN :int END,`height`=CASE id WHEN :int THEN :int END,`lease_owner`=:text,`lease_token`=:int,`lease_until`=:null,`model`=CASE id WHEN :int THEN :text END,`omitted`=CASE id WHEN :int THEN :int END,`person`=CASE id WHEN :int THEN :int END,`reason`=CASE id WHEN :int THEN :text END,`retry_at`=CASE id WHEN :int THEN :time END,`status`=CASE id WHEN :int THEN :int END,`trace_context`=:null,`updated_at`=:time,`warning`=CASE id WHEN :int THEN :text END,`width`=CASE id WHEN :int THEN :int END WHERE id IN (:int);

-- Finish
UPDATE `images` SET `detail`=CASE id WHEN :int THEN :text WHEN :int THEN :text END,`file_modified`=CASE id WHEN :int THEN :int WHEN :int THEN :int END,`file_sha256`=CASE id WHEN :int THEN :text WHEN :int THEN :text END,`file_size`=CASE id WHEN :int THEN :int WHEN :int THEN :int END,`height`=CASE id WHEN :int THEN :int WHEN :int THEN :int END,`lease_owner`=:text,`lease_token`=:int,`lease_until`=:null,`model`=CASE id WHEN :int THEN :text WHEN :int THEN :text END,`omitted`=CASE id WHEN :int THEN :int WHEN :int THEN :int END,`person`=CASE id WHEN :int THEN :int WHEN :int THEN :int END,`reason`=CASE id WHEN :int THEN :text WHEN :int THEN :text END,`retry_at`=CASE id WHEN :int THEN :null WHEN :int THEN :null END,`status`=CASE id WHEN :int THEN :int WHEN :int THEN :int END,`trace_context`=:null,`updated_at`=:time,`warning`=CASE id WHEN :int THEN :text WHEN :int THEN :text END,`width`=CASE id WHEN :int THEN :int WHEN :int THEN :int END WHERE id IN (:int,:int);

-- Finish
UPDATE `images` SET `file_modified`=:int,`file_sha256`=:text,`file_size`=:int WHERE id = :int;

-- Finish
UPDATE `rescans` SET `changed`=changed + :int,`corrections_unplaced`=corrections_unplaced + :int,`done`=done + :int,`faces_found`=faces_found + :int,`faces_lost`=faces_lost + :int,`failed`=failed + :int,`people_found`=people_found + :int,`people_lost`=people_lost + :int WHERE id = :int;

-- Finish, RequestRescans, Retry, TakeRescanImages
SELECT * FROM `image_rescans` WHERE image_id IN (:int);

-- Finish, RequestRescans, Retry, TakeRescanImages
SELECT `id`,`path`,`status`,`reason`,`person`,`detail`,`model`,`file_size`,`file_modified`,`file_sha256` FROM `images` WHERE id IN (:int) ORDER BY id FOR UPDATE;

-- Finish, Retry, StepRematch, SweepConsents, UndoApplied
INSERT INTO outbox (type, created_at, image_id, reason, cause, people, person_id, other_id) VALUES (:text, :time, :int, :text, :text, :text, :int, :int), (:text, :time, :int, :text, :text, :text, :int, :int);

-- Finish, SweepErasedPlaces
SELECT * FROM `erased_places` WHERE path_mark IN (:bytes) ORDER BY id;

-- ForgetAnswers
DELETE FROM `idempotency_keys` WHERE key_sha256 IN (:bytes) AND expires_at <= :time;

-- ForgetAnswers
DELETE FROM `idempotency_keys` WHERE key_sha256 IN (:bytes,:bytes) AND expires_at <= :time;

-- ForgetAnswers
SELECT `expires_at` FROM `idempotency_keys` ORDER BY expires_at DESC LIMIT :int OFFSET :int;

-- ForgetAnswers
SELECT `expires_at` FROM `idempotency_keys` ORDER BY expires_at DESC LIMIT :int;

-- ForgetAnswers
SELECT `key_sha256` FROM `idempotency_keys` WHERE expires_at <= :time AND (status <> 0 OR lease_until <= :time) LIMIT :int;

-- ForgetErasedAnswers
SELECT * FROM `idempotency_keys` WHERE status <> 0 ORDER BY key_sha256 LIMIT :int;

-- ForgetErasedAnswers
UPDATE `idempotency_keys` SET `answer`=:null,`headers`=:text WHERE key_sha256 IN (:bytes,:bytes) AND status <> 0;

-- ForgetErasedMentions
SELECT count(*) FROM `corrections` WHERE candidates LIKE :text;

-- ForgetErasedMentions
SELECT count(*) FROM `faces` WHERE best_person_id = :int OR second_person_id = :int;

-- ForgetErasedMentions
UPDATE `faces` SET `best_distance`=:int,`best_parts`=:text,`best_person_id`=:int,`corrected`=:int,`matched_image`=:text,`reason`=CASE WHEN reason IN (:text,:text) THEN :text ELSE reason END WHERE image_id IN (:int) AND best_person_id = :int;

-- ForgetErasedMentions
UPDATE `images` SET `person`=COALESCE((SELECT best_person_id FROM faces WHERE faces.image_id = images.id AND faces.reason = :text ORDER BY CASE WHEN faces.corrected = :int THEN 0 ELSE 1 END, faces.best_distance, faces.position LIMIT 1), -1) WHERE images.id IN (:int);

-- ForgetErasedMentions
UPDATE `images` SET `reason`=:text WHERE id IN (:int) AND reason = :text AND NOT EXISTS (SELECT 1 FROM faces WHERE faces.image_id = images.id AND faces.best_person_id <> :int AND faces.reason <> :text);

-- ForgetErasedMentions
UPDATE `images` SET `reason`=:text,`status`=:int WHERE id IN (:int) AND person = :int AND status = :int;

-- ForgetErasedNotes
DELETE FROM `rematch_known` WHERE person_id = :int;

-- ForgetErasedNotes
DELETE FROM rematch_changes WHERE (rematch_id > :int OR rematch_id = :int AND image_id > :int) AND (from_person = :int OR to_person = :int OR before_change LIKE :text OR before_change LIKE :text OR before_change LIKE :text OR after_change LIKE :text OR after_change LIKE :text OR after_change LIKE :text);

-- ForgetErasedNotes
DELETE FROM rematch_changes WHERE (rematch_id > :int OR rematch_id = :int AND image_id > :int) AND (rematch_id < :int OR rematch_id = :int AND image_id <= :int) AND (from_person = :int OR to_person = :int OR before_change LIKE :text OR before_change LIKE :text OR before_change LIKE :text OR after_change LIKE :text OR after_change LIKE :text OR after_change LIKE :text);

-- ForgetErasedNotes
DELETE FROM rescan_results WHERE (rescan_id > :int OR rescan_id = :int AND image_id > :int) AND (from_person = :int OR to_person = :int OR people_found LIKE :text OR people_found LIKE :text OR people_found LIKE :text OR people_found LIKE :text OR people_lost LIKE :text OR people_lost LIKE :text OR people_lost LIKE :text OR people_lost LIKE :text);

-- ForgetErasedNotes
DELETE FROM rescan_results WHERE (rescan_id > :int OR rescan_id = :int AND image_id > :int) AND (rescan_id < :int OR rescan_id = :int AND image_id <= :int) AND (from_person = :int OR to_person = :int OR people_found LIKE :text OR people_found LIKE :text OR people_found LIKE :text OR people_found LIKE :text OR people_lost LIKE :text OR people_lost LIKE :text OR people_lost LIKE :text OR people_lost LIKE :text);

-- ForgetErasedNotes
SELECT `name` FROM `person` WHERE id = :int;

-- ForgetErasedNotes
SELECT rematch_id AS job, image_id AS image FROM `rematch_changes` WHERE (rematch_id > :int OR rematch_id = :int AND image_id > :int) ORDER BY rematch_id, image_id LIMIT :int OFFSET :int;

-- ForgetErasedNotes
SELECT rescan_id AS job, image_id AS image FROM `rescan_results` WHERE (rescan_id > :int OR rescan_id = :int AND image_id > :int) ORDER BY rescan_id, image_id LIMIT :int OFFSET :int;

-- ForgetErasedTexts
SELECT `id`,`detail` FROM `rematches` WHERE detail <> '';

-- ForgetErasedTexts
SELECT `id`,`file_name`,`detail`,`warning` FROM `images` WHERE id > :int AND (file_name <> '' OR detail <> '') ORDER BY id LIMIT :int;

-- ForgetErasedTexts
UPDATE `images` SET `file_name`=:text WHERE id = :int;

-- ForgetErasedTexts
UPDATE `rematches` SET `detail`=:text WHERE id = :int;

-- ForgetGroupings
DELETE FROM `grouping_parts` WHERE model <> :text;

-- ForgetGroupings
DELETE FROM `grouping` WHERE model <> :text;

-- ForgetGroupings
SELECT `face_id` FROM `face_groups` WHERE model <> :text LIMIT :int;

-- ForgetGroupings
SELECT count(*) FROM `grouping` WHERE model <> :text;

-- ForgetGroupings, PlaceFaces
INSERT INTO `group_sizes` (`model`,`group_key`,`faces`) VALUES (:text,:int,:int),(:text,:int,:int) ON DUPLICATE KEY UPDATE `faces`=group_sizes.faces + VALUES(faces);

-- ForgetProgram
DELETE FROM `program_states` WHERE program = :text AND instance = :text;

-- ForgetRematches
DELETE FROM `rematch_changes` WHERE rematch_id = :int AND image_id IN (:int);

-- ForgetRematches
DELETE FROM `rematches` WHERE id = :int;

-- ForgetRematches
SELECT `id` FROM `rematches` ORDER BY id DESC LIMIT :int OFFSET :int;

-- ForgetRematches
SELECT `image_id` FROM `rematch_changes` WHERE rematch_id = :int LIMIT :int;

-- FoundFaces
SELECT `id`,`path`,`status`,`reason`,`created_at`,`updated_at` FROM `images` WHERE id IN (:int,:int);

-- FoundFaces
SELECT faces.*, best.name AS best_name, second.name AS second_name FROM `faces` LEFT JOIN person AS best ON best.id = faces.best_person_id LEFT JOIN person AS second ON second.id = faces.second_person_id WHERE faces.id IN (:int,:int);

-- FreeRematch
UPDATE `rematch_state` SET `lease_owner`=:text,`lease_token`=:int,`lease_until`=:null WHERE id = 1 AND lease_token = :int;

-- Group
SELECT face_groups.face_id, COALESCE(faces.image_id, 0) AS image_id FROM `face_groups` LEFT JOIN faces ON faces.id = face_groups.face_id WHERE face_groups.model = :text AND face_groups.group_key = :int ORDER BY face_groups.face_id;

-- GroupChange
SELECT DISTINCT `image_id` FROM `corrections` WHERE group_change_id = :int ORDER BY image_id;

-- GroupChange, GroupChangedAt
SELECT * FROM `group_changes` WHERE id = :int LIMIT :int;

-- GroupChange, PlanErasure
SELECT * FROM `person` WHERE id = :int LIMIT :int;

-- GroupOf
SELECT `group_key` FROM `face_groups` WHERE face_id = :int AND model = :text LIMIT :int;

-- GroupableFaces
SELECT id, image_id, reason, drawn, LENGTH(descriptor) + LENGTH(descriptor_rest), quality_score, quality_size, quality_sharpness, quality_yaw, quality_roll, quality_detection, quality_cut_off FROM faces WHERE model = :text AND id > :int AND id <= :int ORDER BY id LIMIT :int;

-- GroupableIn
SELECT id, image_id, reason, drawn, LENGTH(descriptor) + LENGTH(descriptor_rest), quality_score, quality_size, quality_sharpness, quality_yaw, quality_roll, quality_detection, quality_cut_off FROM faces WHERE image_id IN (:int,:int) AND model = :text;

-- GroupingOf
SELECT state,detail,distance,faces,total,updated_at FROM `grouping` WHERE model = :text LIMIT :int;

-- GroupingWaits
INSERT INTO `grouping` (`model`,`state`,`detail`,`distance`,`faces`,`total`,`group_count`,`checkpoint`,`started_at`,`updated_at`) VALUES (:text,:text,:text,:float,:int,:int,:int,:int,:time,:time) ON DUPLICATE KEY UPDATE `state`=VALUES(`state`),`detail`=VALUES(`detail`),`updated_at`=VALUES(`updated_at`);

-- Groups
SELECT * FROM `group_sizes` WHERE (model = :text AND faces >= :int) AND (faces <= :int AND (faces < :int OR group_key < :int)) ORDER BY faces DESC, group_key DESC LIMIT :int;

-- Groups
SELECT * FROM `group_sizes` WHERE model = :text AND faces >= :int ORDER BY faces DESC, group_key DESC LIMIT :int;

-- Groups
SELECT /*+ SET_VAR(group_concat_max_len = 16777216) */ group_key, SUM(face_id), GROUP_CONCAT(face_id) FROM face_groups WHERE model = :text AND group_key IN (:int) GROUP BY group_key;

-- Groups
SELECT /*+ SET_VAR(group_concat_max_len = 16777216) */ group_key, SUM(face_id), GROUP_CONCAT(face_id) FROM face_groups WHERE model = :text AND group_key IN (:int,:int) GROUP BY group_key;

-- HasOutcomes
SELECT `id` FROM `images` WHERE status IN (:int,:int) AND reason IN (:text,:text) LIMIT :int;

-- HasPath
SELECT `id` FROM `images` WHERE path = :text LIMIT :int;

-- Identity
SELECT * FROM `users` WHERE id = (SELECT `user_id` FROM `user_identities` WHERE identity_sha256 = :bytes) LIMIT :int;

-- Image
SELECT * FROM `image_rescans` WHERE image_id = :int LIMIT :int;

-- ImageCorrections
SELECT count(*) FROM `images` WHERE id = :int;

-- KeepsOpenIngest
SELECT `value` FROM `settings` WHERE name = :text;

-- Key
SELECT * FROM `api_keys` WHERE public_id = :text LIMIT :int;

-- Keys
SELECT * FROM `api_keys` ORDER BY id DESC LIMIT :int;

-- Keys
SELECT * FROM `api_keys` WHERE id < :int ORDER BY id DESC LIMIT :int;

-- KnownImages
SELECT * FROM `person_images` WHERE image_name IS NOT NULL AND source <> :text ORDER BY id;

-- KnownPictures
SELECT * FROM `person_images` WHERE person_id = :int AND id > :int AND image_name IS NOT NULL ORDER BY id LIMIT :int;

-- KnownPictures
SELECT * FROM `person_images` WHERE person_id = :int AND id > :int AND image_name IS NOT NULL ORDER BY id;

-- LargestGroups
SELECT faces, group_key AS `key` FROM `group_sizes` WHERE (model = :text AND faces >= 1) AND (faces <= :int AND (faces < :int OR group_key < :int)) ORDER BY faces DESC, group_key DESC LIMIT :int;

-- LargestGroups
SELECT faces, group_key AS `key` FROM `group_sizes` WHERE model = :text AND faces >= 1 ORDER BY faces DESC, group_key DESC LIMIT :int;

-- LateFaces
SELECT id, image_id, x, y, width, height, model, gallery, reason, corrected, best_person_id, best_distance, matched_image, best_parts, second_person_id, second_distance, second_image, second_parts, quality_score, quality_size, quality_sharpness, quality_yaw, quality_roll, quality_detection, quality_cut_off, descriptor, descriptor_rest FROM faces WHERE model = :text AND id > :int AND gallery <> :text ORDER BY id LIMIT :int;

-- LatestTotals
SELECT * FROM `image_totals` WHERE minute = (SELECT MAX(minute) FROM `image_totals` WHERE minute >= :int) ORDER BY reason;

-- LeaseRematch
UPDATE `rematch_state` SET `lease_owner`=:text,`lease_token`=:int,`lease_until`=:time WHERE id = 1 AND (lease_token = :int OR lease_until IS NULL OR lease_until < :time);

-- LinkIdentity
INSERT INTO `user_identities` (`identity_sha256`,`user_id`,`created_at`) VALUES (:bytes,:int,:time);

-- LinkIdentity
SELECT (SELECT COUNT(*) FROM user_passwords WHERE user_id = :int) + (SELECT COUNT(*) FROM user_identities WHERE user_id = :int);

-- LinkIdentity
SELECT `user_id` FROM `user_identities` WHERE identity_sha256 = :bytes;

-- ListImages
SELECT `faces`.`image_id` FROM faces FORCE INDEX (faces_shows) STRAIGHT_JOIN images ON images.id = faces.image_id WHERE (faces.best_person_id = :int AND faces.reason = :text) AND images.status = :int AND (NOT (images.status = :int AND images.reason = :text)) ORDER BY faces.image_id DESC;

-- ListImages
SELECT `faces`.`image_id` FROM faces FORCE INDEX (faces_shows) STRAIGHT_JOIN images ON images.id = faces.image_id WHERE (faces.best_person_id = :int AND faces.reason = :text) AND images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND (NOT (images.status = :int AND images.reason = :text)) ORDER BY faces.image_id DESC;

-- ListImages
SELECT `faces`.`image_id` FROM faces FORCE INDEX (faces_shows) STRAIGHT_JOIN images ON images.id = faces.image_id WHERE (faces.best_person_id = :int AND faces.reason = :text) AND images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND images.created_at >= :time AND (NOT (images.status = :int AND images.reason = :text)) AND faces.image_id > :int ORDER BY faces.image_id DESC;

-- ListImages
SELECT `faces`.`image_id` FROM faces FORCE INDEX (faces_shows) STRAIGHT_JOIN images ON images.id = faces.image_id WHERE (faces.best_person_id = :int AND faces.reason = :text) AND images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND images.created_at >= :time AND faces.image_id > :int ORDER BY faces.image_id DESC;

-- ListImages
SELECT `faces`.`image_id` FROM faces FORCE INDEX (faces_shows) STRAIGHT_JOIN images ON images.id = faces.image_id WHERE (faces.best_person_id = :int AND faces.reason = :text) AND images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND images.created_at >= :time AND faces.image_id > :int ORDER BY faces.image_id;

-- ListImages
SELECT `faces`.`image_id` FROM faces FORCE INDEX (faces_shows) STRAIGHT_JOIN images ON images.id = faces.image_id WHERE (faces.best_person_id = :int AND faces.reason = :text) AND images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 ORDER BY faces.image_id DESC;

-- ListImages
SELECT `faces`.`image_id` FROM faces FORCE INDEX (faces_shows) STRAIGHT_JOIN images ON images.id = faces.image_id WHERE (faces.best_person_id = :int AND faces.reason = :text) AND images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 ORDER BY faces.image_id;

-- ListImages
SELECT `faces`.`image_id` FROM faces FORCE INDEX (faces_shows) STRAIGHT_JOIN images ON images.id = faces.image_id WHERE (faces.best_person_id = :int AND faces.reason = :text) AND images.status = :int ORDER BY faces.image_id DESC;

-- ListImages
SELECT `faces`.`image_id` FROM faces FORCE INDEX (faces_shows) STRAIGHT_JOIN images ON images.id = faces.image_id WHERE (faces.best_person_id = :int AND faces.reason = :text) AND images.status = :int ORDER BY faces.image_id;

-- ListImages
SELECT `id` FROM `person` WHERE name IN (:text) AND id = :int ORDER BY id;

-- ListImages
SELECT `id` FROM `person` WHERE name IN (:text,:text) ORDER BY id;

-- ListImages
SELECT `images`.`id` FROM images FORCE INDEX (images_person) WHERE images.person = :int AND images.status = :int AND (NOT (images.status = :int AND images.reason = :text)) ORDER BY images.id DESC;

-- ListImages
SELECT `images`.`id` FROM images FORCE INDEX (images_person) WHERE images.person = :int AND images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND (NOT (images.status = :int AND images.reason = :text)) ORDER BY images.id DESC;

-- ListImages
SELECT `images`.`id` FROM images FORCE INDEX (images_person) WHERE images.person = :int AND images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND images.created_at >= :time AND (NOT (images.status = :int AND images.reason = :text)) AND images.id > :int ORDER BY images.id DESC;

-- ListImages
SELECT `images`.`id` FROM images FORCE INDEX (images_person) WHERE images.person = :int AND images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND images.created_at >= :time AND images.id > :int ORDER BY images.id DESC;

-- ListImages
SELECT `images`.`id` FROM images FORCE INDEX (images_person) WHERE images.person = :int AND images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND images.created_at >= :time AND images.id > :int ORDER BY images.id;

-- ListImages
SELECT `images`.`id` FROM images FORCE INDEX (images_person) WHERE images.person = :int AND images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 ORDER BY images.id DESC;

-- ListImages
SELECT `images`.`id` FROM images FORCE INDEX (images_person) WHERE images.person = :int AND images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 ORDER BY images.id;

-- ListImages
SELECT `images`.`id` FROM images FORCE INDEX (images_person) WHERE images.person = :int AND images.status = :int ORDER BY images.id DESC;

-- ListImages
SELECT `images`.`id` FROM images FORCE INDEX (images_person) WHERE images.person = :int AND images.status = :int ORDER BY images.id;

-- ListImages
SELECT `images`.`id` FROM images FORCE INDEX (images_status) WHERE (images.status = :int AND images.reason = :text) AND (NOT (images.status = :int AND images.reason = :text)) ORDER BY images.id DESC;

-- ListImages
SELECT `images`.`id` FROM images FORCE INDEX (images_status) WHERE (images.status = :int AND images.reason = :text) AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND (NOT (images.status = :int AND images.reason = :text)) ORDER BY images.id DESC;

-- ListImages
SELECT `images`.`id` FROM images FORCE INDEX (images_status) WHERE (images.status = :int AND images.reason = :text) AND INSTR(LOWER(images.path), LOWER(:text)) > 0 ORDER BY images.id DESC;

-- ListImages
SELECT `images`.`id` FROM images FORCE INDEX (images_status) WHERE (images.status = :int AND images.reason = :text) AND INSTR(LOWER(images.path), LOWER(:text)) > 0 ORDER BY images.id;

-- ListImages
SELECT `images`.`id` FROM images FORCE INDEX (images_status) WHERE images.status = :int AND images.reason = :text ORDER BY images.id DESC;

-- ListImages
SELECT `images`.`id` FROM images FORCE INDEX (images_status) WHERE images.status = :int AND images.reason = :text ORDER BY images.id;

-- ListImages
SELECT images.*, person.name AS person_name FROM `images` LEFT JOIN person ON person.id = images.person WHERE images.created_at >= :time AND images.created_at < :time AND images.id IN (:int);

-- ListImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (PRIMARY) LEFT JOIN person ON person.id = images.person ORDER BY images.id DESC;

-- ListImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (PRIMARY) LEFT JOIN person ON person.id = images.person ORDER BY images.id;

-- ListImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (PRIMARY) LEFT JOIN person ON person.id = images.person WHERE INSTR(LOWER(images.path), LOWER(:text)) > 0 AND (NOT (images.status = :int AND images.reason = :text)) ORDER BY images.id DESC;

-- ListImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (PRIMARY) LEFT JOIN person ON person.id = images.person WHERE INSTR(LOWER(images.path), LOWER(:text)) > 0 AND images.created_at >= :time AND images.id > :int ORDER BY images.id DESC;

-- ListImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (PRIMARY) LEFT JOIN person ON person.id = images.person WHERE INSTR(LOWER(images.path), LOWER(:text)) > 0 ORDER BY images.id;

-- ListImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (PRIMARY) LEFT JOIN person ON person.id = images.person WHERE NOT (images.status = :int AND images.reason = :text) ORDER BY images.id DESC;

-- ListImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (PRIMARY) LEFT JOIN person ON person.id = images.person WHERE images.created_at < :time AND images.id < :int ORDER BY images.id DESC;

-- ListImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (PRIMARY) LEFT JOIN person ON person.id = images.person WHERE images.created_at >= :time AND images.created_at < :time AND (NOT (images.status = :int AND images.reason = :text)) AND images.id > :int AND images.id < :int ORDER BY images.id DESC;

-- ListImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (PRIMARY) LEFT JOIN person ON person.id = images.person WHERE images.created_at >= :time AND images.created_at < :time AND images.id > :int AND images.id < :int ORDER BY images.id DESC;

-- ListImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (PRIMARY) LEFT JOIN person ON person.id = images.person WHERE images.created_at >= :time AND images.created_at < :time AND images.id > :int AND images.id < :int ORDER BY images.id;

-- ListImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (PRIMARY) LEFT JOIN person ON person.id = images.person WHERE images.created_at >= :time AND images.created_at < :time AND images.id > :int ORDER BY images.id DESC;

-- ListImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (PRIMARY) LEFT JOIN person ON person.id = images.person WHERE images.created_at >= :time AND images.id > :int AND images.id < :int ORDER BY images.id DESC LIMIT :int;

-- ListImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (PRIMARY) LEFT JOIN person ON person.id = images.person WHERE images.created_at >= :time AND images.id > :int ORDER BY images.id DESC LIMIT :int;

-- ListImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (PRIMARY) LEFT JOIN person ON person.id = images.person WHERE images.created_at >= :time AND images.id > :int ORDER BY images.id DESC;

-- ListImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (PRIMARY) LEFT JOIN person ON person.id = images.person WHERE images.id > :int ORDER BY images.id;

-- ListImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (images_order) LEFT JOIN person ON person.id = images.person WHERE images.status = :int AND (NOT (images.status = :int AND images.reason = :text)) ORDER BY images.id DESC;

-- ListImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (images_order) LEFT JOIN person ON person.id = images.person WHERE images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND (NOT (images.status = :int AND images.reason = :text)) ORDER BY images.id DESC;

-- ListImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (images_order) LEFT JOIN person ON person.id = images.person WHERE images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 ORDER BY images.id DESC;

-- ListImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (images_order) LEFT JOIN person ON person.id = images.person WHERE images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 ORDER BY images.id;

-- ListImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (images_order) LEFT JOIN person ON person.id = images.person WHERE images.status = :int ORDER BY images.id DESC;

-- ListImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (images_order) LEFT JOIN person ON person.id = images.person WHERE images.status = :int ORDER BY images.id;

-- ListImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (images_status) LEFT JOIN person ON person.id = images.person WHERE (images.status = :int AND images.reason = :text) AND (NOT (images.status = :int AND images.reason = :text)) ORDER BY images.id DESC;

-- ListImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (images_status) LEFT JOIN person ON person.id = images.person WHERE images.status = :int AND images.reason = :text ORDER BY images.id DESC;

-- ListImages, PageOfImages
SELECT `faces`.`image_id` FROM faces FORCE INDEX (faces_shows) STRAIGHT_JOIN images ON images.id = faces.image_id WHERE (faces.best_person_id = :int AND faces.reason = :text) AND images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND faces.image_id < :int ORDER BY faces.image_id DESC LIMIT :int;

-- ListImages, PageOfImages
SELECT `faces`.`image_id` FROM faces FORCE INDEX (faces_shows) STRAIGHT_JOIN images ON images.id = faces.image_id WHERE (faces.best_person_id = :int AND faces.reason = :text) AND images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 ORDER BY faces.image_id DESC LIMIT :int;

-- ListImages, PageOfImages
SELECT `faces`.`image_id` FROM faces FORCE INDEX (faces_shows) STRAIGHT_JOIN images ON images.id = faces.image_id WHERE (faces.best_person_id = :int AND faces.reason = :text) AND images.status = :int AND faces.image_id < :int ORDER BY faces.image_id DESC LIMIT :int;

-- ListImages, PageOfImages
SELECT `faces`.`image_id` FROM faces FORCE INDEX (faces_shows) STRAIGHT_JOIN images ON images.id = faces.image_id WHERE (faces.best_person_id = :int AND faces.reason = :text) AND images.status = :int AND faces.image_id > :int ORDER BY faces.image_id LIMIT :int;

-- ListImages, PageOfImages
SELECT `faces`.`image_id` FROM faces FORCE INDEX (faces_shows) STRAIGHT_JOIN images ON images.id = faces.image_id WHERE (faces.best_person_id = :int AND faces.reason = :text) AND images.status = :int ORDER BY faces.image_id DESC LIMIT :int;

-- ListImages, PageOfImages
SELECT `id` FROM images FORCE INDEX (images_created) WHERE created_at < :time ORDER BY created_at DESC, id DESC LIMIT :int;

-- ListImages, PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_person) WHERE images.person = :int AND images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND images.id < :int ORDER BY images.id DESC LIMIT :int;

-- ListImages, PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_person) WHERE images.person = :int AND images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 ORDER BY images.id DESC LIMIT :int;

-- ListImages, PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_person) WHERE images.person = :int AND images.status = :int AND images.id < :int ORDER BY images.id DESC LIMIT :int;

-- ListImages, PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_person) WHERE images.person = :int AND images.status = :int AND images.id > :int ORDER BY images.id LIMIT :int;

-- ListImages, PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_person) WHERE images.person = :int AND images.status = :int ORDER BY images.id DESC LIMIT :int;

-- ListImages, PageOfImages
SELECT images.*, person.name AS person_name FROM `images` LEFT JOIN person ON person.id = images.person WHERE INSTR(LOWER(images.path), LOWER(:text)) > 0 AND images.id IN (:int);

-- ListImages, PageOfImages
SELECT images.*, person.name AS person_name FROM `images` LEFT JOIN person ON person.id = images.person WHERE INSTR(LOWER(images.path), LOWER(:text)) > 0 AND images.id IN (:int,:int);

-- ListImages, PageOfImages
SELECT images.*, person.name AS person_name FROM `images` LEFT JOIN person ON person.id = images.person WHERE images.id IN (:int) ORDER BY images.id DESC;

-- ListImages, PageOfImages
SELECT images.*, person.name AS person_name FROM `images` LEFT JOIN person ON person.id = images.person WHERE images.id IN (:int) ORDER BY images.id;

-- ListImages, PageOfImages
SELECT images.*, person.name AS person_name FROM `images` LEFT JOIN person ON person.id = images.person WHERE images.id IN (:int,:int) ORDER BY images.id DESC;

-- ListImages, PageOfImages
SELECT images.*, person.name AS person_name FROM `images` LEFT JOIN person ON person.id = images.person WHERE images.id IN (:int,:int) ORDER BY images.id;

-- ListImages, PageOfImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (PRIMARY) LEFT JOIN person ON person.id = images.person ORDER BY images.id DESC LIMIT :int;

-- ListImages, PageOfImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (PRIMARY) LEFT JOIN person ON person.id = images.person ORDER BY images.id LIMIT :int;

-- ListImages, PageOfImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (PRIMARY) LEFT JOIN person ON person.id = images.person WHERE images.id < :int ORDER BY images.id DESC LIMIT :int;

-- ListImages, PageOfImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (PRIMARY) LEFT JOIN person ON person.id = images.person WHERE images.id > :int ORDER BY images.id LIMIT :int;

-- ListImages, PageOfImages
SELECT images.certainty, images.id FROM images FORCE INDEX (images_certainty) WHERE (images.status = :int AND images.reason = :text) AND (images.certainty = :int AND images.id < :int) ORDER BY images.certainty DESC, images.id DESC;

-- ListImages, PageOfImages
SELECT images.certainty, images.id FROM images FORCE INDEX (images_certainty) WHERE (images.status = :int AND images.reason = :text) AND images.certainty < :int ORDER BY images.certainty DESC, images.id DESC;

-- ListImages, PageOfImages, Retry
SELECT `id` FROM `person` WHERE name IN (:text) ORDER BY id;

-- ListImages, PageOfImages, SelectImages
SELECT `images`.`reason` FROM images FORCE INDEX (images_status) WHERE images.status = :int AND images.reason > :text ORDER BY images.reason LIMIT :int;

-- ListImages, PageOfImages, SelectImages
SELECT `images`.`reason` FROM images FORCE INDEX (images_status) WHERE images.status = :int ORDER BY images.reason LIMIT :int;

-- ListImages, SelectImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (PRIMARY) LEFT JOIN person ON person.id = images.person WHERE INSTR(LOWER(images.path), LOWER(:text)) > 0 ORDER BY images.id DESC;

-- LooseFaces
SELECT `face_id` FROM `face_groups` WHERE face_id IN (:int);

-- LooseFaces
SELECT `face_id` FROM `face_groups` WHERE face_id IN (:int,:int);

-- LooseFaces
SELECT `person`.`id` FROM `person` WHERE person.id > :int AND (EXISTS (SELECT 1 FROM faces FORCE INDEX (faces_shows) WHERE faces.best_person_id = person.id AND faces.reason = :text)) ORDER BY person.id LIMIT :int;

-- LooseFaces
SELECT faces.best_person_id AS person_id, faces.image_id, faces.id AS face_id FROM faces FORCE INDEX (faces_shows) WHERE (faces.best_person_id = :int AND faces.reason = :text) AND (faces.image_id <= :int AND (faces.image_id < :int OR faces.id < :int)) ORDER BY faces.image_id DESC, faces.id DESC LIMIT :int;

-- MarkPublished
UPDATE `image_rescans` SET `published_at`=:time WHERE state = :text AND ((image_id BETWEEN :int AND :int));

-- MarkPublished
UPDATE `image_rescans` SET `published_at`=:time WHERE state = :text AND (image_id IN (:int));

-- MarkPublished
UPDATE `images` SET `published_at`=:time WHERE (id BETWEEN :int AND :int);

-- MarkPublished
UPDATE `images` SET `published_at`=:time WHERE (id IN (:int));

-- MergePeople
INSERT INTO `merges` (`person_id`,`person_name`,`merged_id`,`merged_name`,`merged_hidden`,`merged_cover_id`,`new_name`,`images`,`known_images`,`corrections`,`created_at`,`undone_at`) VALUES (:int,:text,:int,:text,:int,:int,:text,:int,:text,:text,:time,:null);

-- MergePeople
SELECT DISTINCT `faces`.`image_id` FROM faces FORCE INDEX (faces_best_person) STRAIGHT_JOIN images ON images.id = faces.image_id WHERE faces.best_person_id IN (:int) AND (images.status = :int AND images.reason = :text);

-- MergePeople
SELECT `id` FROM `corrections` WHERE person_id = :int ORDER BY id;

-- MergePeople
SELECT `id` FROM `person_images` WHERE person_id = :int ORDER BY id;

-- MergePeople
UPDATE `corrections` SET `changed_at`=:time,`pending`=:int,`person_id`=:int WHERE id IN (:int,:int) AND person_id = :int;

-- MergePeople
UPDATE `faces` SET `best_person_id`=:int WHERE image_id IN (:int) AND best_person_id = :int;

-- MergePeople
UPDATE `faces` SET `best_person_id`=:int WHERE image_id IN (:int,:int) AND best_person_id = :int;

-- MergePeople
UPDATE `faces` SET `second_distance`=:int,`second_image`=:text,`second_parts`=:text,`second_person_id`=:int WHERE best_person_id = :int AND second_person_id = :int;

-- MergePeople
UPDATE `faces` SET `second_person_id`=:int WHERE second_person_id = :int;

-- MergePeople
UPDATE `images` SET `person`=:int WHERE id IN (:int) AND person = :int;

-- MergePeople
UPDATE `images` SET `person`=:int WHERE id IN (:int,:int) AND person = :int;

-- MergePeople, SetConsent
INSERT INTO `consents` (`person_id`,`basis`,`from_at`,`until_at`,`withdrawn_at`,`key_id`,`user_id`,`recorded_at`,`changed_at`,`told`,`swept`) VALUES (:int,:text,:time,:time,:time,:text,:int,:time,:time,:text,:int) ON DUPLICATE KEY UPDATE `basis`=VALUES(`basis`),`from_at`=VALUES(`from_at`),`until_at`=VALUES(`until_at`),`withdrawn_at`=VALUES(`withdrawn_at`),`key_id`=VALUES(`key_id`),`user_id`=VALUES(`user_id`),`recorded_at`=VALUES(`recorded_at`),`changed_at`=VALUES(`changed_at`),`told`=VALUES(`told`),`swept`=VALUES(`swept`);

-- MergePeople, UndoMerge
UPDATE `corrections` SET `changed_at`=:time,`pending`=:int,`person_id`=:int WHERE id IN (:int) AND person_id = :int;

-- MergePeople, UndoMerge
UPDATE `person_images` SET `person_id`=:int WHERE id IN (:int) AND person_id = :int;

-- MergePeople, UndoMerge
UPDATE `person_images` SET `person_id`=:int WHERE id IN (:int,:int) AND person_id = :int;

-- MergePeople, WithdrawConsent
UPDATE `consents` SET `basis`=:text,`from_at`=:time,`until_at`=:time,`withdrawn_at`=:time,`key_id`=:text,`user_id`=:int,`recorded_at`=:time,`changed_at`=:time,`told`=:text,`swept`=:int WHERE `person_id` = :int;

-- Merges
SELECT * FROM `merges` WHERE person_id = :int ORDER BY id DESC;

-- ModelInUse
SELECT * FROM `models` ORDER BY last_used DESC, id LIMIT :int;

-- NeverQueued
SELECT `id` FROM `images` WHERE (((images.status = :int AND images.reason NOT IN (:text,:text)))) AND (published_at IS NULL AND id > :int) AND ((created_at <= :time OR updated_at > created_at)) ORDER BY id LIMIT :int;

-- NeverQueued, Unpublished
SELECT `image_id` FROM `image_rescans` WHERE (state = :text AND image_id > :int) AND (published_at IS NULL AND updated_at <= :time) ORDER BY image_id LIMIT :int;

-- NewWork
SELECT `id` FROM `images` WHERE status = :int AND reason IN (:text,:text) LIMIT :int;

-- NewWork
SELECT `id` FROM `images` WHERE status = :int LIMIT :int;

-- NewestFace, SettledFace
SELECT `id` FROM `faces` WHERE created_at < :time ORDER BY id DESC LIMIT :int;

-- NextKeyExpiry
SELECT `id`,`created_at`,`expires_at` FROM `api_keys` WHERE revoked_at IS NULL AND expires_at > :time AND last_used_at >= :time ORDER BY expires_at;

-- NextRescan
SELECT * FROM `rescans` WHERE state IN (:text,:text) ORDER BY id LIMIT :int;

-- NoteErasureSearch
UPDATE `erasures` SET `found`=:text,`searched_at`=:time,`state`=:text,`verified_at`=:null WHERE public_id = :text AND state <> :text;

-- NoteErasureSearch
UPDATE `erasures` SET `found`=:text,`searched_at`=:time,`state`=:text,`verified_at`=COALESCE(verified_at, :time) WHERE public_id = :text AND state <> :text;

-- NoteOutcomes
INSERT INTO `outcome_minutes` (`minute`,`instance`,`reason`,`images`) VALUES (:int,:text,:text,:int) ON DUPLICATE KEY UPDATE `images`=VALUES(`images`);

-- NoteOutcomes
INSERT INTO `outcome_minutes` (`minute`,`instance`,`reason`,`images`) VALUES (:int,:text,:text,:int),(:int,:text,:text,:int) ON DUPLICATE KEY UPDATE `images`=VALUES(`images`);

-- NoteProgram
INSERT INTO `program_states` (`program`,`instance`,`seen_at`,`state`) VALUES (:text,:text,:time,:text) ON DUPLICATE KEY UPDATE `seen_at`=VALUES(`seen_at`),`state`=VALUES(`state`);

-- NoteRescan
UPDATE `rescans` SET `detail`=:text WHERE id = :int AND state IN (:text,:text);

-- NoteRetention
UPDATE `retention` SET `complete`=:int,`files`=:int,`finished_at`=:time,`images`=:int,`started_at`=:time WHERE id = 1;

-- OldestWaiting
SELECT `id`,`updated_at` FROM `images` WHERE status = :int AND reason = :text ORDER BY id LIMIT :int;

-- OtherModels
SELECT count(*) FROM `faces` WHERE model <> :text;

-- OtherModels
SELECT count(*) FROM `models` WHERE id <> :text;

-- OutcomeBuckets
SELECT minute - (minute % :int) AS `from`, reason, SUM(images) AS images FROM `outcome_minutes` WHERE minute >= :int GROUP BY 1, 2 ORDER BY 1, 2;

-- Owners
SELECT person_images.image_name, person.id, person.name, (EXISTS (SELECT 1 FROM consents WHERE consents.person_id = person.id AND consents.withdrawn_at IS NULL AND consents.from_at <= :time AND (consents.until_at IS NULL OR consents.until_at > :time))) AS matchable FROM `person_images` JOIN person ON person.id = person_images.person_id WHERE person_images.image_name IN (:text,:text) ORDER BY person_images.id DESC;

-- Owners
SELECT person_images.image_name, person.id, person.name, (NOT EXISTS (SELECT 1 FROM consents WHERE consents.person_id = person.id AND NOT (consents.withdrawn_at IS NULL AND consents.from_at <= :time AND (consents.until_at IS NULL OR consents.until_at > :time)))) AS matchable FROM `person_images` JOIN person ON person.id = person_images.person_id WHERE person_images.image_name IN (:text) ORDER BY person_images.id DESC;

-- Owners
SELECT person_images.image_name, person.id, person.name, (NOT EXISTS (SELECT 1 FROM consents WHERE consents.person_id = person.id AND NOT (consents.withdrawn_at IS NULL AND consents.from_at <= :time AND (consents.until_at IS NULL OR consents.until_at > :time)))) AS matchable FROM `person_images` JOIN person ON person.id = person_images.person_id WHERE person_images.image_name IN (:text,:text) ORDER BY person_images.id DESC;

-- PageOfImages
SELECT `faces`.`image_id` FROM faces FORCE INDEX (faces_shows) STRAIGHT_JOIN images ON images.id = faces.image_id WHERE (faces.best_person_id = :int AND faces.reason = :text) AND images.status = :int AND (NOT (images.status = :int AND images.reason = :text)) AND faces.image_id < :int ORDER BY faces.image_id DESC LIMIT :int;

-- PageOfImages
SELECT `faces`.`image_id` FROM faces FORCE INDEX (faces_shows) STRAIGHT_JOIN images ON images.id = faces.image_id WHERE (faces.best_person_id = :int AND faces.reason = :text) AND images.status = :int AND (NOT (images.status = :int AND images.reason = :text)) AND faces.image_id > :int AND faces.image_id < :int ORDER BY faces.image_id DESC LIMIT :int;

-- PageOfImages
SELECT `faces`.`image_id` FROM faces FORCE INDEX (faces_shows) STRAIGHT_JOIN images ON images.id = faces.image_id WHERE (faces.best_person_id = :int AND faces.reason = :text) AND images.status = :int AND (NOT (images.status = :int AND images.reason = :text)) AND faces.image_id > :int ORDER BY faces.image_id DESC LIMIT :int;

-- PageOfImages
SELECT `faces`.`image_id` FROM faces FORCE INDEX (faces_shows) STRAIGHT_JOIN images ON images.id = faces.image_id WHERE (faces.best_person_id = :int AND faces.reason = :text) AND images.status = :int AND (NOT (images.status = :int AND images.reason = :text)) ORDER BY faces.image_id DESC LIMIT :int;

-- PageOfImages
SELECT `faces`.`image_id` FROM faces FORCE INDEX (faces_shows) STRAIGHT_JOIN images ON images.id = faces.image_id WHERE (faces.best_person_id = :int AND faces.reason = :text) AND images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND (NOT (images.status = :int AND images.reason = :text)) AND faces.image_id < :int ORDER BY faces.image_id DESC LIMIT :int;

-- PageOfImages
SELECT `faces`.`image_id` FROM faces FORCE INDEX (faces_shows) STRAIGHT_JOIN images ON images.id = faces.image_id WHERE (faces.best_person_id = :int AND faces.reason = :text) AND images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND (NOT (images.status = :int AND images.reason = :text)) AND faces.image_id > :int AND faces.image_id < :int ORDER BY faces.image_id DESC LIMIT :int;

-- PageOfImages
SELECT `faces`.`image_id` FROM faces FORCE INDEX (faces_shows) STRAIGHT_JOIN images ON images.id = faces.image_id WHERE (faces.best_person_id = :int AND faces.reason = :text) AND images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND (NOT (images.status = :int AND images.reason = :text)) AND faces.image_id > :int ORDER BY faces.image_id DESC LIMIT :int;

-- PageOfImages
SELECT `faces`.`image_id` FROM faces FORCE INDEX (faces_shows) STRAIGHT_JOIN images ON images.id = faces.image_id WHERE (faces.best_person_id = :int AND faces.reason = :text) AND images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND (NOT (images.status = :int AND images.reason = :text)) ORDER BY faces.image_id DESC LIMIT :int;

-- PageOfImages
SELECT `faces`.`image_id` FROM faces FORCE INDEX (faces_shows) STRAIGHT_JOIN images ON images.id = faces.image_id WHERE (faces.best_person_id = :int AND faces.reason = :text) AND images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND faces.image_id < :int ORDER BY faces.image_id LIMIT :int;

-- PageOfImages
SELECT `faces`.`image_id` FROM faces FORCE INDEX (faces_shows) STRAIGHT_JOIN images ON images.id = faces.image_id WHERE (faces.best_person_id = :int AND faces.reason = :text) AND images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND faces.image_id > :int AND faces.image_id < :int ORDER BY faces.image_id DESC LIMIT :int;

-- PageOfImages
SELECT `faces`.`image_id` FROM faces FORCE INDEX (faces_shows) STRAIGHT_JOIN images ON images.id = faces.image_id WHERE (faces.best_person_id = :int AND faces.reason = :text) AND images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND faces.image_id > :int AND faces.image_id < :int ORDER BY faces.image_id LIMIT :int;

-- PageOfImages
SELECT `faces`.`image_id` FROM faces FORCE INDEX (faces_shows) STRAIGHT_JOIN images ON images.id = faces.image_id WHERE (faces.best_person_id = :int AND faces.reason = :text) AND images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND faces.image_id > :int ORDER BY faces.image_id DESC LIMIT :int;

-- PageOfImages
SELECT `faces`.`image_id` FROM faces FORCE INDEX (faces_shows) STRAIGHT_JOIN images ON images.id = faces.image_id WHERE (faces.best_person_id = :int AND faces.reason = :text) AND images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND faces.image_id > :int ORDER BY faces.image_id LIMIT :int;

-- PageOfImages
SELECT `faces`.`image_id` FROM faces FORCE INDEX (faces_shows) STRAIGHT_JOIN images ON images.id = faces.image_id WHERE (faces.best_person_id = :int AND faces.reason = :text) AND images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND images.created_at >= :time AND (NOT (images.status = :int AND images.reason = :text)) AND faces.image_id > :int AND faces.image_id < :int ORDER BY faces.image_id DESC LIMIT :int;

-- PageOfImages
SELECT `faces`.`image_id` FROM faces FORCE INDEX (faces_shows) STRAIGHT_JOIN images ON images.id = faces.image_id WHERE (faces.best_person_id = :int AND faces.reason = :text) AND images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND images.created_at >= :time AND (NOT (images.status = :int AND images.reason = :text)) AND faces.image_id > :int ORDER BY faces.image_id DESC LIMIT :int;

-- PageOfImages
SELECT `faces`.`image_id` FROM faces FORCE INDEX (faces_shows) STRAIGHT_JOIN images ON images.id = faces.image_id WHERE (faces.best_person_id = :int AND faces.reason = :text) AND images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND images.created_at >= :time AND faces.image_id > :int AND faces.image_id < :int ORDER BY faces.image_id DESC LIMIT :int;

-- PageOfImages
SELECT `faces`.`image_id` FROM faces FORCE INDEX (faces_shows) STRAIGHT_JOIN images ON images.id = faces.image_id WHERE (faces.best_person_id = :int AND faces.reason = :text) AND images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND images.created_at >= :time AND faces.image_id > :int AND faces.image_id < :int ORDER BY faces.image_id LIMIT :int;

-- PageOfImages
SELECT `faces`.`image_id` FROM faces FORCE INDEX (faces_shows) STRAIGHT_JOIN images ON images.id = faces.image_id WHERE (faces.best_person_id = :int AND faces.reason = :text) AND images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND images.created_at >= :time AND faces.image_id > :int ORDER BY faces.image_id DESC LIMIT :int;

-- PageOfImages
SELECT `faces`.`image_id` FROM faces FORCE INDEX (faces_shows) STRAIGHT_JOIN images ON images.id = faces.image_id WHERE (faces.best_person_id = :int AND faces.reason = :text) AND images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND images.created_at >= :time AND faces.image_id > :int ORDER BY faces.image_id LIMIT :int;

-- PageOfImages
SELECT `faces`.`image_id` FROM faces FORCE INDEX (faces_shows) STRAIGHT_JOIN images ON images.id = faces.image_id WHERE (faces.best_person_id = :int AND faces.reason = :text) AND images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 ORDER BY faces.image_id LIMIT :int;

-- PageOfImages
SELECT `faces`.`image_id` FROM faces FORCE INDEX (faces_shows) STRAIGHT_JOIN images ON images.id = faces.image_id WHERE (faces.best_person_id = :int AND faces.reason = :text) AND images.status = :int AND faces.image_id < :int ORDER BY faces.image_id LIMIT :int;

-- PageOfImages
SELECT `faces`.`image_id` FROM faces FORCE INDEX (faces_shows) STRAIGHT_JOIN images ON images.id = faces.image_id WHERE (faces.best_person_id = :int AND faces.reason = :text) AND images.status = :int AND faces.image_id > :int AND faces.image_id < :int ORDER BY faces.image_id DESC LIMIT :int;

-- PageOfImages
SELECT `faces`.`image_id` FROM faces FORCE INDEX (faces_shows) STRAIGHT_JOIN images ON images.id = faces.image_id WHERE (faces.best_person_id = :int AND faces.reason = :text) AND images.status = :int AND faces.image_id > :int AND faces.image_id < :int ORDER BY faces.image_id LIMIT :int;

-- PageOfImages
SELECT `faces`.`image_id` FROM faces FORCE INDEX (faces_shows) STRAIGHT_JOIN images ON images.id = faces.image_id WHERE (faces.best_person_id = :int AND faces.reason = :text) AND images.status = :int AND faces.image_id > :int ORDER BY faces.image_id DESC LIMIT :int;

-- PageOfImages
SELECT `faces`.`image_id` FROM faces FORCE INDEX (faces_shows) STRAIGHT_JOIN images ON images.id = faces.image_id WHERE (faces.best_person_id = :int AND faces.reason = :text) AND images.status = :int ORDER BY faces.image_id LIMIT :int;

-- PageOfImages
SELECT `faces`.`image_id` FROM faces FORCE INDEX (faces_shows) WHERE (faces.best_person_id = :int AND faces.reason = :text) AND faces.image_id < :int ORDER BY faces.image_id DESC LIMIT :int OFFSET :int;

-- PageOfImages
SELECT `faces`.`image_id` FROM faces FORCE INDEX (faces_shows) WHERE (faces.best_person_id = :int AND faces.reason = :text) AND faces.image_id < :int ORDER BY faces.image_id DESC LIMIT :int;

-- PageOfImages
SELECT `faces`.`image_id` FROM faces FORCE INDEX (faces_shows) WHERE (faces.best_person_id = :int AND faces.reason = :text) AND faces.image_id > :int AND faces.image_id < :int ORDER BY faces.image_id DESC LIMIT :int OFFSET :int;

-- PageOfImages
SELECT `faces`.`image_id` FROM faces FORCE INDEX (faces_shows) WHERE (faces.best_person_id = :int AND faces.reason = :text) AND faces.image_id > :int AND faces.image_id < :int ORDER BY faces.image_id DESC LIMIT :int;

-- PageOfImages
SELECT `faces`.`image_id` FROM faces FORCE INDEX (faces_shows) WHERE (faces.best_person_id = :int AND faces.reason = :text) AND faces.image_id > :int ORDER BY faces.image_id DESC LIMIT :int OFFSET :int;

-- PageOfImages
SELECT `faces`.`image_id` FROM faces FORCE INDEX (faces_shows) WHERE (faces.best_person_id = :int AND faces.reason = :text) AND faces.image_id > :int ORDER BY faces.image_id DESC LIMIT :int;

-- PageOfImages
SELECT `faces`.`image_id` FROM faces FORCE INDEX (faces_shows) WHERE (faces.best_person_id = :int AND faces.reason = :text) AND faces.image_id > :int ORDER BY faces.image_id LIMIT :int OFFSET :int;

-- PageOfImages
SELECT `faces`.`image_id` FROM faces FORCE INDEX (faces_shows) WHERE (faces.best_person_id = :int AND faces.reason = :text) AND faces.image_id > :int ORDER BY faces.image_id LIMIT :int;

-- PageOfImages
SELECT `faces`.`image_id` FROM faces FORCE INDEX (faces_shows) WHERE faces.best_person_id = :int AND faces.reason = :text ORDER BY faces.image_id DESC LIMIT :int OFFSET :int;

-- PageOfImages
SELECT `faces`.`image_id` FROM faces FORCE INDEX (faces_shows) WHERE faces.best_person_id = :int AND faces.reason = :text ORDER BY faces.image_id DESC LIMIT :int;

-- PageOfImages
SELECT `faces`.`image_id` FROM faces FORCE INDEX (faces_shows) WHERE faces.best_person_id = :int AND faces.reason = :text ORDER BY faces.image_id LIMIT :int OFFSET :int;

-- PageOfImages
SELECT `faces`.`image_id` FROM faces FORCE INDEX (faces_shows) WHERE faces.best_person_id = :int AND faces.reason = :text ORDER BY faces.image_id LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (PRIMARY) ORDER BY images.id DESC LIMIT :int OFFSET :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (PRIMARY) ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (PRIMARY) ORDER BY images.id LIMIT :int OFFSET :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (PRIMARY) ORDER BY images.id LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (PRIMARY) WHERE images.id < :int ORDER BY images.id DESC LIMIT :int OFFSET :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (PRIMARY) WHERE images.id < :int ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (PRIMARY) WHERE images.id > :int AND images.id < :int ORDER BY images.id DESC LIMIT :int OFFSET :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (PRIMARY) WHERE images.id > :int AND images.id < :int ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (PRIMARY) WHERE images.id > :int AND images.id < :int ORDER BY images.id LIMIT :int OFFSET :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (PRIMARY) WHERE images.id > :int AND images.id < :int ORDER BY images.id LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (PRIMARY) WHERE images.id > :int ORDER BY images.id LIMIT :int OFFSET :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (PRIMARY) WHERE images.id > :int ORDER BY images.id LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_order) WHERE images.status = :int AND images.id < :int ORDER BY images.id DESC LIMIT :int OFFSET :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_order) WHERE images.status = :int AND images.id < :int ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_order) WHERE images.status = :int AND images.id > :int ORDER BY images.id LIMIT :int OFFSET :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_order) WHERE images.status = :int AND images.id > :int ORDER BY images.id LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_order) WHERE images.status = :int ORDER BY images.id DESC LIMIT :int OFFSET :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_order) WHERE images.status = :int ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_order) WHERE images.status = :int ORDER BY images.id LIMIT :int OFFSET :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_order) WHERE images.status = :int ORDER BY images.id LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_person) WHERE images.person = :int AND images.id < :int ORDER BY images.id DESC LIMIT :int OFFSET :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_person) WHERE images.person = :int AND images.id < :int ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_person) WHERE images.person = :int AND images.id > :int AND images.id < :int ORDER BY images.id DESC LIMIT :int OFFSET :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_person) WHERE images.person = :int AND images.id > :int AND images.id < :int ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_person) WHERE images.person = :int AND images.id > :int ORDER BY images.id DESC LIMIT :int OFFSET :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_person) WHERE images.person = :int AND images.id > :int ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_person) WHERE images.person = :int AND images.id > :int ORDER BY images.id LIMIT :int OFFSET :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_person) WHERE images.person = :int AND images.id > :int ORDER BY images.id LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_person) WHERE images.person = :int AND images.status = :int AND (NOT (images.status = :int AND images.reason = :text)) AND images.id < :int ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_person) WHERE images.person = :int AND images.status = :int AND (NOT (images.status = :int AND images.reason = :text)) AND images.id > :int AND images.id < :int ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_person) WHERE images.person = :int AND images.status = :int AND (NOT (images.status = :int AND images.reason = :text)) AND images.id > :int ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_person) WHERE images.person = :int AND images.status = :int AND (NOT (images.status = :int AND images.reason = :text)) ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_person) WHERE images.person = :int AND images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND (NOT (images.status = :int AND images.reason = :text)) AND images.id < :int ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_person) WHERE images.person = :int AND images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND (NOT (images.status = :int AND images.reason = :text)) AND images.id > :int AND images.id < :int ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_person) WHERE images.person = :int AND images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND (NOT (images.status = :int AND images.reason = :text)) AND images.id > :int ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_person) WHERE images.person = :int AND images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND (NOT (images.status = :int AND images.reason = :text)) ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_person) WHERE images.person = :int AND images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND images.created_at >= :time AND (NOT (images.status = :int AND images.reason = :text)) AND images.id > :int AND images.id < :int ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_person) WHERE images.person = :int AND images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND images.created_at >= :time AND (NOT (images.status = :int AND images.reason = :text)) AND images.id > :int ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_person) WHERE images.person = :int AND images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND images.created_at >= :time AND images.id > :int AND images.id < :int ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_person) WHERE images.person = :int AND images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND images.created_at >= :time AND images.id > :int AND images.id < :int ORDER BY images.id LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_person) WHERE images.person = :int AND images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND images.created_at >= :time AND images.id > :int ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_person) WHERE images.person = :int AND images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND images.created_at >= :time AND images.id > :int ORDER BY images.id LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_person) WHERE images.person = :int AND images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND images.id < :int ORDER BY images.id LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_person) WHERE images.person = :int AND images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND images.id > :int AND images.id < :int ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_person) WHERE images.person = :int AND images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND images.id > :int AND images.id < :int ORDER BY images.id LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_person) WHERE images.person = :int AND images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND images.id > :int ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_person) WHERE images.person = :int AND images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND images.id > :int ORDER BY images.id LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_person) WHERE images.person = :int AND images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 ORDER BY images.id LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_person) WHERE images.person = :int AND images.status = :int AND images.id < :int ORDER BY images.id LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_person) WHERE images.person = :int AND images.status = :int AND images.id > :int AND images.id < :int ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_person) WHERE images.person = :int AND images.status = :int AND images.id > :int AND images.id < :int ORDER BY images.id LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_person) WHERE images.person = :int AND images.status = :int AND images.id > :int ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_person) WHERE images.person = :int AND images.status = :int ORDER BY images.id LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_person) WHERE images.person = :int ORDER BY images.id DESC LIMIT :int OFFSET :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_person) WHERE images.person = :int ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_person) WHERE images.person = :int ORDER BY images.id LIMIT :int OFFSET :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_person) WHERE images.person = :int ORDER BY images.id LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_status) WHERE (images.status = :int AND images.reason = :text) AND (NOT (images.status = :int AND images.reason = :text)) AND images.id < :int ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_status) WHERE (images.status = :int AND images.reason = :text) AND (NOT (images.status = :int AND images.reason = :text)) AND images.id > :int AND images.id < :int ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_status) WHERE (images.status = :int AND images.reason = :text) AND (NOT (images.status = :int AND images.reason = :text)) AND images.id > :int ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_status) WHERE (images.status = :int AND images.reason = :text) AND (NOT (images.status = :int AND images.reason = :text)) ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_status) WHERE (images.status = :int AND images.reason = :text) AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND (NOT (images.status = :int AND images.reason = :text)) AND images.id < :int ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_status) WHERE (images.status = :int AND images.reason = :text) AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND (NOT (images.status = :int AND images.reason = :text)) AND images.id > :int AND images.id < :int ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_status) WHERE (images.status = :int AND images.reason = :text) AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND (NOT (images.status = :int AND images.reason = :text)) AND images.id > :int ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_status) WHERE (images.status = :int AND images.reason = :text) AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND (NOT (images.status = :int AND images.reason = :text)) ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_status) WHERE (images.status = :int AND images.reason = :text) AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND images.id < :int ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_status) WHERE (images.status = :int AND images.reason = :text) AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND images.id < :int ORDER BY images.id LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_status) WHERE (images.status = :int AND images.reason = :text) AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND images.id > :int AND images.id < :int ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_status) WHERE (images.status = :int AND images.reason = :text) AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND images.id > :int AND images.id < :int ORDER BY images.id LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_status) WHERE (images.status = :int AND images.reason = :text) AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND images.id > :int ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_status) WHERE (images.status = :int AND images.reason = :text) AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND images.id > :int ORDER BY images.id LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_status) WHERE (images.status = :int AND images.reason = :text) AND INSTR(LOWER(images.path), LOWER(:text)) > 0 ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_status) WHERE (images.status = :int AND images.reason = :text) AND INSTR(LOWER(images.path), LOWER(:text)) > 0 ORDER BY images.id LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_status) WHERE (images.status = :int AND images.reason = :text) AND images.id < :int ORDER BY images.id DESC LIMIT :int OFFSET :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_status) WHERE (images.status = :int AND images.reason = :text) AND images.id < :int ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_status) WHERE (images.status = :int AND images.reason = :text) AND images.id > :int ORDER BY images.id LIMIT :int OFFSET :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_status) WHERE (images.status = :int AND images.reason = :text) AND images.id > :int ORDER BY images.id LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_status) WHERE images.status = :int AND images.reason = :text ORDER BY images.id DESC LIMIT :int OFFSET :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_status) WHERE images.status = :int AND images.reason = :text ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_status) WHERE images.status = :int AND images.reason = :text ORDER BY images.id LIMIT :int OFFSET :int;

-- PageOfImages
SELECT `images`.`id` FROM images FORCE INDEX (images_status) WHERE images.status = :int AND images.reason = :text ORDER BY images.id LIMIT :int;

-- PageOfImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (PRIMARY) LEFT JOIN person ON person.id = images.person WHERE (NOT (images.status = :int AND images.reason = :text)) AND images.id < :int ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (PRIMARY) LEFT JOIN person ON person.id = images.person WHERE (NOT (images.status = :int AND images.reason = :text)) AND images.id > :int AND images.id < :int ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (PRIMARY) LEFT JOIN person ON person.id = images.person WHERE (NOT (images.status = :int AND images.reason = :text)) AND images.id > :int ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (PRIMARY) LEFT JOIN person ON person.id = images.person WHERE INSTR(LOWER(images.path), LOWER(:text)) > 0 AND (NOT (images.status = :int AND images.reason = :text)) AND images.id < :int ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (PRIMARY) LEFT JOIN person ON person.id = images.person WHERE INSTR(LOWER(images.path), LOWER(:text)) > 0 AND (NOT (images.status = :int AND images.reason = :text)) AND images.id > :int AND images.id < :int ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (PRIMARY) LEFT JOIN person ON person.id = images.person WHERE INSTR(LOWER(images.path), LOWER(:text)) > 0 AND (NOT (images.status = :int AND images.reason = :text)) AND images.id > :int ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (PRIMARY) LEFT JOIN person ON person.id = images.person WHERE INSTR(LOWER(images.path), LOWER(:text)) > 0 AND (NOT (images.status = :int AND images.reason = :text)) ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (PRIMARY) LEFT JOIN person ON person.id = images.person WHERE INSTR(LOWER(images.path), LOWER(:text)) > 0 AND images.id < :int ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (PRIMARY) LEFT JOIN person ON person.id = images.person WHERE INSTR(LOWER(images.path), LOWER(:text)) > 0 AND images.id < :int ORDER BY images.id LIMIT :int;

-- PageOfImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (PRIMARY) LEFT JOIN person ON person.id = images.person WHERE INSTR(LOWER(images.path), LOWER(:text)) > 0 AND images.id > :int AND images.id < :int ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (PRIMARY) LEFT JOIN person ON person.id = images.person WHERE INSTR(LOWER(images.path), LOWER(:text)) > 0 AND images.id > :int AND images.id < :int ORDER BY images.id LIMIT :int;

-- PageOfImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (PRIMARY) LEFT JOIN person ON person.id = images.person WHERE INSTR(LOWER(images.path), LOWER(:text)) > 0 AND images.id > :int ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (PRIMARY) LEFT JOIN person ON person.id = images.person WHERE INSTR(LOWER(images.path), LOWER(:text)) > 0 AND images.id > :int ORDER BY images.id LIMIT :int;

-- PageOfImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (PRIMARY) LEFT JOIN person ON person.id = images.person WHERE NOT (images.status = :int AND images.reason = :text) ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (PRIMARY) LEFT JOIN person ON person.id = images.person WHERE images.created_at >= :time AND images.created_at < :time AND (NOT (images.status = :int AND images.reason = :text)) AND images.id > :int AND images.id < :int ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (PRIMARY) LEFT JOIN person ON person.id = images.person WHERE images.created_at >= :time AND images.created_at < :time AND images.id > :int AND images.id < :int ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (PRIMARY) LEFT JOIN person ON person.id = images.person WHERE images.created_at >= :time AND images.created_at < :time AND images.id > :int AND images.id < :int ORDER BY images.id LIMIT :int;

-- PageOfImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (images_order) LEFT JOIN person ON person.id = images.person WHERE images.status = :int AND (NOT (images.status = :int AND images.reason = :text)) AND images.id < :int ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (images_order) LEFT JOIN person ON person.id = images.person WHERE images.status = :int AND (NOT (images.status = :int AND images.reason = :text)) AND images.id > :int AND images.id < :int ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (images_order) LEFT JOIN person ON person.id = images.person WHERE images.status = :int AND (NOT (images.status = :int AND images.reason = :text)) AND images.id > :int ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (images_order) LEFT JOIN person ON person.id = images.person WHERE images.status = :int AND (NOT (images.status = :int AND images.reason = :text)) ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (images_order) LEFT JOIN person ON person.id = images.person WHERE images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND (NOT (images.status = :int AND images.reason = :text)) AND images.id < :int ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (images_order) LEFT JOIN person ON person.id = images.person WHERE images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND (NOT (images.status = :int AND images.reason = :text)) AND images.id > :int AND images.id < :int ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (images_order) LEFT JOIN person ON person.id = images.person WHERE images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND (NOT (images.status = :int AND images.reason = :text)) AND images.id > :int ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (images_order) LEFT JOIN person ON person.id = images.person WHERE images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND (NOT (images.status = :int AND images.reason = :text)) ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (images_order) LEFT JOIN person ON person.id = images.person WHERE images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND images.id < :int ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (images_order) LEFT JOIN person ON person.id = images.person WHERE images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND images.id < :int ORDER BY images.id LIMIT :int;

-- PageOfImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (images_order) LEFT JOIN person ON person.id = images.person WHERE images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND images.id > :int AND images.id < :int ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (images_order) LEFT JOIN person ON person.id = images.person WHERE images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND images.id > :int AND images.id < :int ORDER BY images.id LIMIT :int;

-- PageOfImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (images_order) LEFT JOIN person ON person.id = images.person WHERE images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND images.id > :int ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (images_order) LEFT JOIN person ON person.id = images.person WHERE images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 AND images.id > :int ORDER BY images.id LIMIT :int;

-- PageOfImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (images_order) LEFT JOIN person ON person.id = images.person WHERE images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (images_order) LEFT JOIN person ON person.id = images.person WHERE images.status = :int AND INSTR(LOWER(images.path), LOWER(:text)) > 0 ORDER BY images.id LIMIT :int;

-- PageOfImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (images_order) LEFT JOIN person ON person.id = images.person WHERE images.status = :int AND images.id < :int ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (images_order) LEFT JOIN person ON person.id = images.person WHERE images.status = :int AND images.id > :int ORDER BY images.id LIMIT :int;

-- PageOfImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (images_order) LEFT JOIN person ON person.id = images.person WHERE images.status = :int ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (images_order) LEFT JOIN person ON person.id = images.person WHERE images.status = :int ORDER BY images.id LIMIT :int;

-- PageOfImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (images_status) LEFT JOIN person ON person.id = images.person WHERE (images.status = :int AND images.reason = :text) AND (NOT (images.status = :int AND images.reason = :text)) AND images.id < :int ORDER BY images.id DESC LIMIT :int;

-- PageOfImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (images_status) LEFT JOIN person ON person.id = images.person WHERE (images.status = :int AND images.reason = :text) AND (NOT (images.status = :int AND images.reason = :text)) ORDER BY images.id DESC LIMIT :int;

-- PageOfImages, UncertainImages
SELECT images.certainty, images.id FROM images FORCE INDEX (images_certainty) WHERE (images.status = :int AND images.reason = :text) AND (images.certainty = :int AND images.id < :int) ORDER BY images.certainty DESC, images.id DESC LIMIT :int;

-- PageOfImages, UncertainImages
SELECT images.certainty, images.id FROM images FORCE INDEX (images_certainty) WHERE (images.status = :int AND images.reason = :text) AND images.certainty < :int ORDER BY images.certainty DESC, images.id DESC LIMIT :int;

-- Password
SELECT * FROM `user_passwords` WHERE user_id = :int LIMIT :int;

-- Password, SetUser, User
SELECT * FROM `users` WHERE name = :text LIMIT :int;

-- PendingCorrections
SELECT id, image_id, changed_at FROM `corrections` WHERE pending = :int ORDER BY id LIMIT :int;

-- People
SELECT * FROM `person` ORDER BY name, id;

-- PeopleBeside
SELECT DISTINCT `best_person_id` FROM `faces` WHERE image_id IN (:int,:int) AND reason = :text;

-- PeopleBeside
SELECT DISTINCT `image_id` FROM `corrections` WHERE image_id IN (:int,:int) AND excludes = :int AND undone_at IS NULL;

-- PeopleCards
SELECT * FROM (SELECT faces.best_person_id AS person, faces.id AS face FROM faces FORCE INDEX (faces_shows) WHERE faces.best_person_id = :int AND faces.reason = :text ORDER BY faces.image_id DESC LIMIT 1) AS newest UNION ALL SELECT * FROM (SELECT faces.best_person_id AS person, faces.id AS face FROM faces FORCE INDEX (faces_shows) WHERE faces.best_person_id = :int AND faces.reason = :text ORDER BY faces.image_id DESC LIMIT 1) AS newest;

-- PeopleCards
SELECT * FROM `consents` WHERE person_id IN (:int,:int);

-- PeopleCards
SELECT person.*, (SELECT COUNT(*) FROM person_images WHERE person_images.person_id = person.id AND person_images.image_name IS NOT NULL) AS known_pictures, COALESCE((SELECT MIN(id) FROM person_images WHERE person_images.person_id = person.id AND person_images.image_name IS NOT NULL), 0) AS first_picture, COALESCE((SELECT cover.person_id FROM person_images AS cover WHERE cover.id = person.cover_id), 0) AS cover_owner FROM `person` WHERE person.id IN (:int,:int);

-- PeopleNeeds
SELECT id, name, hidden FROM `person`;

-- PeopleNeeds
SELECT person.id FROM person WHERE EXISTS (SELECT 1 FROM faces FORCE INDEX (faces_shows) WHERE faces.best_person_id = person.id AND faces.reason = :text);

-- PeopleNeeds
SELECT person_id FROM consents WHERE NOT (consents.withdrawn_at IS NULL AND consents.from_at <= :time AND (consents.until_at IS NULL OR consents.until_at > :time)) OR until_at <= :time;

-- PeopleNeeds
SELECT person_id, COUNT(*) AS n FROM `person_images` WHERE person_id > 0 GROUP BY `person_id`;

-- Picture
SELECT `path`,`file_name`,`file_size`,`file_modified`,`file_sha256` FROM `images` WHERE id = :int LIMIT :int;

-- PictureOfFace
SELECT images.path, images.file_size, images.file_modified, images.file_sha256, faces.x, faces.y, faces.width, faces.height FROM `faces` JOIN images ON images.id = faces.image_id WHERE faces.id = :int LIMIT :int;

-- PlaceFaces
INSERT INTO `face_groups` (`face_id`,`model`,`group_key`) VALUES (:int,:text,:int) ON DUPLICATE KEY UPDATE `model`=VALUES(`model`),`group_key`=VALUES(`group_key`);

-- PlaceFaces
INSERT INTO `face_groups` (`face_id`,`model`,`group_key`) VALUES (:int,:text,:int),(:int,:text,:int) ON DUPLICATE KEY UPDATE `model`=VALUES(`model`),`group_key`=VALUES(`group_key`);

-- PlaceFaces
SELECT * FROM `face_groups` WHERE face_id IN (:int) ORDER BY face_id FOR UPDATE;

-- PlaceFaces
SELECT * FROM `face_groups` WHERE face_id IN (:int,:int) ORDER BY face_id FOR UPDATE;

-- PlaceFaces
SELECT `id` FROM `faces` WHERE id IN (:int);

-- PlaceFaces
SELECT `id` FROM `faces` WHERE id IN (:int,:int);

-- PlacedFaces
SELECT face_id, group_key FROM face_groups WHERE face_id > :int AND face_id <= :int AND model = :text ORDER BY face_id LIMIT :int;

-- Profiles
SELECT person.*, (SELECT COUNT(*) FROM person_images WHERE person_images.person_id = person.id AND person_images.image_name IS NOT NULL) AS known_pictures, COALESCE((SELECT MIN(id) FROM person_images WHERE person_images.person_id = person.id AND person_images.image_name IS NOT NULL), 0) AS first_picture, COALESCE((SELECT cover.person_id FROM person_images AS cover WHERE cover.id = person.cover_id), 0) AS cover_owner FROM `person` WHERE person.id > :int AND INSTR(LOWER(person.name), LOWER(:text)) > 0 ORDER BY person.id;

-- Profiles
SELECT person.*, (SELECT COUNT(*) FROM person_images WHERE person_images.person_id = person.id AND person_images.image_name IS NOT NULL) AS known_pictures, COALESCE((SELECT MIN(id) FROM person_images WHERE person_images.person_id = person.id AND person_images.image_name IS NOT NULL), 0) AS first_picture, COALESCE((SELECT cover.person_id FROM person_images AS cover WHERE cover.id = person.cover_id), 0) AS cover_owner FROM `person` WHERE person.id > :int AND person.hidden = :int ORDER BY person.id;

-- Profiles
SELECT person.*, (SELECT COUNT(*) FROM person_images WHERE person_images.person_id = person.id AND person_images.image_name IS NOT NULL) AS known_pictures, COALESCE((SELECT MIN(id) FROM person_images WHERE person_images.person_id = person.id AND person_images.image_name IS NOT NULL), 0) AS first_picture, COALESCE((SELECT cover.person_id FROM person_images AS cover WHERE cover.id = person.cover_id), 0) AS cover_owner FROM `person` WHERE person.id > :int AND person.name IN (:text) AND person.hidden = :int ORDER BY person.id;

-- Profiles
SELECT person.*, (SELECT COUNT(*) FROM person_images WHERE person_images.person_id = person.id AND person_images.image_name IS NOT NULL) AS known_pictures, COALESCE((SELECT MIN(id) FROM person_images WHERE person_images.person_id = person.id AND person_images.image_name IS NOT NULL), 0) AS first_picture, COALESCE((SELECT cover.person_id FROM person_images AS cover WHERE cover.id = person.cover_id), 0) AS cover_owner FROM `person` WHERE person.id > :int AND person.name IN (:text,:text) AND person.hidden = :int ORDER BY person.id;

-- Profiles
SELECT person.*, (SELECT COUNT(*) FROM person_images WHERE person_images.person_id = person.id AND person_images.image_name IS NOT NULL) AS known_pictures, COALESCE((SELECT MIN(id) FROM person_images WHERE person_images.person_id = person.id AND person_images.image_name IS NOT NULL), 0) AS first_picture, COALESCE((SELECT cover.person_id FROM person_images AS cover WHERE cover.id = person.cover_id), 0) AS cover_owner FROM `person` WHERE person.id > :int ORDER BY person.id LIMIT :int;

-- Profiles
SELECT person.*, (SELECT COUNT(*) FROM person_images WHERE person_images.person_id = person.id AND person_images.image_name IS NOT NULL) AS known_pictures, COALESCE((SELECT MIN(id) FROM person_images WHERE person_images.person_id = person.id AND person_images.image_name IS NOT NULL), 0) AS first_picture, COALESCE((SELECT cover.person_id FROM person_images AS cover WHERE cover.id = person.cover_id), 0) AS cover_owner FROM `person` WHERE person.id > :int ORDER BY person.id;

-- Programs
SELECT * FROM `program_states` ORDER BY program, instance;

-- PublicPicture
SELECT person_images.*, person.name AS owner FROM `person_images` JOIN person ON person.id = person_images.person_id WHERE person_images.image_name IS NOT NULL AND person_images.public_id = :text LIMIT :int;

-- PublicPictures
SELECT `id` FROM `person_images` WHERE public_id IS NULL ORDER BY id LIMIT :int;

-- PublicPictures
SELECT count(*) FROM `person_images` JOIN person ON person.id = person_images.person_id WHERE person_images.image_name IS NOT NULL AND person_images.public_id IS NOT NULL AND person_images.person_id = :int;

-- PublicPictures
SELECT count(*) FROM `person_images` JOIN person ON person.id = person_images.person_id WHERE person_images.image_name IS NOT NULL AND person_images.public_id IS NOT NULL;

-- PublicPictures
SELECT person_images.*, person.name AS owner FROM `person_images` JOIN person ON person.id = person_images.person_id WHERE person_images.image_name IS NOT NULL AND person_images.public_id IS NOT NULL AND person_images.person_id = :int ORDER BY person_images.id LIMIT :int OFFSET :int;

-- PublicPictures
SELECT person_images.*, person.name AS owner FROM `person_images` JOIN person ON person.id = person_images.person_id WHERE person_images.image_name IS NOT NULL AND person_images.public_id IS NOT NULL AND person_images.person_id = :int ORDER BY person_images.id;

-- PublicPictures
SELECT person_images.*, person.name AS owner FROM `person_images` JOIN person ON person.id = person_images.person_id WHERE person_images.image_name IS NOT NULL AND person_images.public_id IS NOT NULL ORDER BY person_images.id LIMIT :int OFFSET :int;

-- PublicPictures
SELECT person_images.*, person.name AS owner FROM `person_images` JOIN person ON person.id = person_images.person_id WHERE person_images.image_name IS NOT NULL AND person_images.public_id IS NOT NULL ORDER BY person_images.id LIMIT :int;

-- PublicPictures
SELECT person_images.*, person.name AS owner FROM `person_images` JOIN person ON person.id = person_images.person_id WHERE person_images.image_name IS NOT NULL AND person_images.public_id IS NOT NULL ORDER BY person_images.id;

-- Queued
SELECT `id` FROM `images` WHERE (((images.status = :int AND images.reason NOT IN (:text,:text)))) AND (id > :int AND updated_at <= :time AND (published_at IS NULL OR published_at <= :time)) ORDER BY id LIMIT :int;

-- Queued
SELECT `id` FROM `images` WHERE (((images.status = :int AND images.reason NOT IN (:text,:text)))) AND (id > :int AND updated_at <= :time AND (published_at IS NULL OR published_at <= :time)) ORDER BY id;

-- Queued
SELECT `image_id` FROM `image_rescans` WHERE (state = :text AND image_id > :int) AND (rescan_id = 0 AND updated_at <= :time AND (published_at IS NULL OR published_at <= :time) AND (lease_until IS NULL OR lease_until < :time)) ORDER BY image_id LIMIT :int;

-- Queued
SELECT `image_id` FROM `image_rescans` WHERE (state = :text AND image_id > :int) AND (rescan_id = 0 AND updated_at <= :time AND (published_at IS NULL OR published_at <= :time) AND (lease_until IS NULL OR lease_until < :time)) ORDER BY image_id;

-- ReclaimAll
UPDATE `image_rescans` SET `lease_owner`=:text,`lease_token`=:int,`lease_until`=:null,`published_at`=CASE WHEN rescan_id = 0 THEN NULL ELSE published_at END,`updated_at`=:time WHERE state = :text AND lease_token <> 0;

-- ReclaimAll
UPDATE `images` SET `lease_owner`=:text,`lease_token`=:int,`lease_until`=:null,`published_at`=:null,`reason`=:text,`status`=:int,`updated_at`=:time WHERE status = :int;

-- ReclaimExpired
UPDATE `image_rescans` SET `lease_owner`=:text,`lease_token`=:int,`lease_until`=:null,`published_at`=CASE WHEN rescan_id = 0 THEN NULL ELSE published_at END,`updated_at`=:time WHERE (state = :text AND lease_token <> 0) AND ((lease_until IS NULL OR lease_until < :time));

-- ReclaimExpired
UPDATE `images` SET `lease_owner`=:text,`lease_token`=:int,`lease_until`=:null,`published_at`=:null,`reason`=:text,`status`=:int,`updated_at`=:time WHERE status = :int AND ((lease_until IS NULL OR lease_until < :time));

-- Reflect
DELETE FROM `rematch_known` WHERE image_name IN (:text,:text);

-- Reflect
INSERT INTO `rematch_known` (`image_name`,`content_id`,`person_id`) VALUES (:text,:text,:int),(:text,:text,:int);

-- Reflected
SELECT * FROM `rematch_state` WHERE id = 1;

-- ReflectedPictures
SELECT * FROM `rematch_known` ORDER BY image_name;

-- RehashPassword
UPDATE `user_passwords` SET `hash`=:text WHERE user_id = :int AND hash = :text;

-- Release
UPDATE `image_rescans` SET `attempts`=CASE WHEN attempts > 0 THEN attempts - 1 ELSE 0 END,`lease_owner`=:text,`lease_token`=:int,`lease_until`=:null,`updated_at`=:time WHERE image_id IN (:int) AND lease_token = :int AND state = :text;

-- Release
UPDATE `images` SET `attempts`=CASE WHEN attempts > 0 THEN attempts - 1 ELSE 0 END,`lease_owner`=:text,`lease_token`=:int,`lease_until`=:null,`reason`=:text,`status`=:int,`updated_at`=:time WHERE id IN (:int) AND lease_token = :int AND status = :int;

-- Release
UPDATE `images` SET `attempts`=CASE WHEN attempts > 0 THEN attempts - 1 ELSE 0 END,`lease_owner`=:text,`lease_token`=:int,`lease_until`=:null,`reason`=:text,`status`=:int,`updated_at`=:time WHERE id IN (:int,:int) AND lease_token = :int AND status = :int;

-- Release
UPDATE `images` SET `attempts`=attempts,`lease_owner`=:text,`lease_token`=:int,`lease_until`=:null,`reason`=:text,`status`=:int,`updated_at`=:time WHERE id IN (:int) AND lease_token = :int AND status = :int;

-- Release
UPDATE `images` SET `attempts`=attempts,`lease_owner`=:text,`lease_token`=:int,`lease_until`=:null,`reason`=:text,`status`=:int,`updated_at`=:time WHERE id IN (:int,:int) AND lease_token = :int AND status = :int;

-- ReleaseSuspects
UPDATE `images` SET `attempts`=attempts,`detail`=:text,`lease_owner`=:text,`lease_token`=:int,`lease_until`=:null,`reason`=:text,`status`=:int,`updated_at`=:time WHERE id IN (:int) AND lease_token = :int AND status = :int;

-- Rematch
SELECT * FROM `rematches` WHERE id = :int LIMIT :int;

-- RematchChanges
SELECT rematch_changes.image_id, rematch_changes.from_person, rematch_changes.to_person, rematch_changes.from_reason, rematch_changes.to_reason, rematch_changes.state, images.path FROM `rematch_changes` JOIN images ON images.id = rematch_changes.image_id WHERE rematch_changes.rematch_id = :int AND rematch_changes.visible = :int AND rematch_changes.image_id > :int ORDER BY rematch_changes.image_id LIMIT :int;

-- RematchSummary
SELECT from_reason, from_person, to_reason, to_person, COUNT(*) AS images FROM `rematch_changes` WHERE rematch_id = :int AND visible = :int AND state <> :text GROUP BY from_reason, from_person, to_reason, to_person ORDER BY images DESC, from_reason, from_person, to_reason, to_person LIMIT :int;

-- Rematches
SELECT * FROM `rematches` ORDER BY id DESC;

-- Renew
SELECT `id` FROM `images` WHERE id IN (:int) AND lease_token = :int AND status = :int ORDER BY id;

-- Renew
SELECT `id` FROM `images` WHERE id IN (:int,:int) AND lease_token = :int AND status = :int ORDER BY id;

-- Renew
SELECT `image_id` FROM `image_rescans` WHERE image_id IN (:int) AND lease_token = :int AND state = :text ORDER BY image_id;

-- Renew
UPDATE `image_rescans` SET `lease_until`=:time WHERE image_id IN (:int) AND lease_token = :int AND state = :text;

-- Renew
UPDATE `images` SET `lease_until`=:time WHERE id IN (:int) AND lease_token = :int AND status = :int;

-- Renew
UPDATE `images` SET `lease_until`=:time WHERE id IN (:int,:int) AND lease_token = :int AND status = :int;

-- RenewErasure
UPDATE `erasures` SET `lease_until`=:time WHERE id = :int AND lease_token = :int;

-- ReplayErasure
SELECT count(*) FROM `erasures` WHERE public_id = :text;

-- RequestRematch
INSERT INTO `rematches` (`state`,`cause`,`scope`,`apply`,`whole`,`detail`,`fingerprint`,`gallery`,`model`,`threshold`,`margin`,`rule`,`pictures_added`,`pictures_removed`,`faces`,`images`,`skipped`,`seek`,`created_at`,`started_at`,`finished_at`) VALUES (:text,:text,:text,:int,:int,:text,:text,:text,:text,:float,:float,:text,:int,:int,:int,:int,:int,:int,:time,:null,:null);

-- RequestRescan
SELECT * FROM `rescans` WHERE state IN (:text,:text) LIMIT :int;

-- RequestRescans, Retry
UPDATE `image_rescans` SET `again`=:int,`attempts`=:int,`detail`=:text,`only_changed`=:int,`published_at`=:time,`reason`=:text,`rescan_id`=:int,`state`=:text,`updated_at`=:time WHERE image_id = :int;

-- RequestRescans, Retry, TakeRescanImages
INSERT INTO `image_rescans` (`rescan_id`,`state`,`only_changed`,`again`,`attempts`,`lease_owner`,`lease_token`,`lease_until`,`published_at`,`reason`,`detail`,`created_at`,`updated_at`,`image_id`) VALUES (:int,:text,:int,:int,:int,:text,:int,:null,:time,:text,:text,:time,:time,:int),(:int,:text,:int,:int,:int,:text,:int,:null,:time,:text,:text,:time,:time,:int);

-- RequestRescans, Retry, TakeRescanImages
INSERT INTO `image_rescans` (`rescan_id`,`state`,`only_changed`,`again`,`attempts`,`lease_owner`,`lease_token`,`lease_until`,`published_at`,`reason`,`detail`,`created_at`,`updated_at`,`image_id`) VALUES (:int,:text,:int,:int,:int,:text,:int,:null,:time,:text,:text,:time,:time,:int);

-- RequestRescans, Retry, TakeRescanImages
SELECT * FROM `image_rescans` WHERE image_id IN (:int,:int);

-- RequestRescans, Retry, TakeRescanImages
SELECT `id`,`path`,`status`,`reason`,`person`,`detail`,`model`,`file_size`,`file_modified`,`file_sha256` FROM `images` WHERE id IN (:int,:int) ORDER BY id FOR UPDATE;

-- Rescan
SELECT * FROM `rescans` WHERE id = :int LIMIT :int;

-- RescanBacklog
SELECT `image_id` FROM `image_rescans` WHERE state = :text AND rescan_id = :int ORDER BY image_id DESC LIMIT :int;

-- RescanResults
SELECT rescan_results.*, images.path FROM `rescan_results` JOIN images ON images.id = rescan_results.image_id WHERE rescan_results.rescan_id = :int AND rescan_results.image_id < :int AND rescan_results.state = :text ORDER BY rescan_results.image_id DESC LIMIT :int;

-- RescanResults
SELECT rescan_results.*, images.path FROM `rescan_results` JOIN images ON images.id = rescan_results.image_id WHERE rescan_results.rescan_id = :int AND rescan_results.state = :text ORDER BY rescan_results.image_id DESC LIMIT :int;

-- RescanResults
SELECT rescan_results.*, images.path FROM `rescan_results` JOIN images ON images.id = rescan_results.image_id WHERE rescan_results.rescan_id = :int ORDER BY rescan_results.image_id DESC LIMIT :int;

-- Rescans
SELECT * FROM `rescans` ORDER BY id DESC LIMIT :int;

-- Retention
SELECT * FROM `retention` WHERE id = 1 LIMIT :int;

-- Retry
SELECT `faces`.`image_id` FROM faces FORCE INDEX (faces_shows) STRAIGHT_JOIN images ON images.id = faces.image_id WHERE (faces.best_person_id = :int AND faces.reason = :text) AND images.status = :int AND ((images.status IN (:int,:int) OR (images.status = :int AND images.reason IN (:text,:text)))) AND (((images.status = :int AND images.reason NOT IN (:text)))) ORDER BY faces.image_id;

-- Retry
SELECT `faces`.`image_id` FROM faces FORCE INDEX (faces_shows) STRAIGHT_JOIN images ON images.id = faces.image_id WHERE (faces.best_person_id = :int AND faces.reason = :text) AND images.status = :int AND ((images.status IN (:int,:int) OR (images.status = :int AND images.reason IN (:text,:text)))) AND faces.image_id > :int ORDER BY faces.image_id LIMIT :int;

-- Retry
SELECT `faces`.`image_id` FROM faces FORCE INDEX (faces_shows) STRAIGHT_JOIN images ON images.id = faces.image_id WHERE (faces.best_person_id = :int AND faces.reason = :text) AND images.status = :int AND ((images.status IN (:int,:int) OR (images.status = :int AND images.reason IN (:text,:text)))) ORDER BY faces.image_id;

-- Retry
SELECT `faces`.`image_id` FROM faces FORCE INDEX (faces_shows) STRAIGHT_JOIN images ON images.id = faces.image_id WHERE (faces.best_person_id = :int AND faces.reason = :text) AND images.status = :int AND images.id IN (:int,:int) AND ((images.status IN (:int,:int) OR (images.status = :int AND images.reason IN (:text,:text)))) ORDER BY faces.image_id;

-- Retry
SELECT `images`.`id` FROM images FORCE INDEX (images_person) WHERE images.person = :int AND images.status = :int AND ((images.status IN (:int,:int) OR (images.status = :int AND images.reason IN (:text,:text)))) AND (((images.status = :int AND images.reason NOT IN (:text)))) ORDER BY images.id;

-- Retry
SELECT `images`.`id` FROM images FORCE INDEX (images_person) WHERE images.person = :int AND images.status = :int AND ((images.status IN (:int,:int) OR (images.status = :int AND images.reason IN (:text,:text)))) AND images.id > :int ORDER BY images.id LIMIT :int;

-- Retry
SELECT `images`.`id` FROM images FORCE INDEX (images_person) WHERE images.person = :int AND images.status = :int AND ((images.status IN (:int,:int) OR (images.status = :int AND images.reason IN (:text,:text)))) ORDER BY images.id;

-- Retry
SELECT `images`.`id` FROM images FORCE INDEX (images_person) WHERE images.person = :int AND images.status = :int AND images.id IN (:int,:int) AND ((images.status IN (:int,:int) OR (images.status = :int AND images.reason IN (:text,:text)))) ORDER BY images.id;

-- Retry
SELECT images.id,images.status,images.reason FROM `images` WHERE ((images.status IN (:int,:int) OR (images.status = :int AND images.reason IN (:text,:text)))) AND (((images.status = :int AND images.reason = :text) OR (images.status = :int AND images.reason = :text))) ORDER BY images.id FOR UPDATE;

-- Retry
SELECT images.id,images.status,images.reason FROM `images` WHERE ((images.status IN (:int,:int) OR (images.status = :int AND images.reason IN (:text,:text)))) AND (((images.status = :int AND images.reason = :text))) ORDER BY images.id FOR UPDATE;

-- Retry
SELECT images.id,images.status,images.reason FROM `images` WHERE ((images.status IN (:int,:int) OR (images.status = :int AND images.reason IN (:text,:text)))) AND (((images.status = :int AND images.reason NOT IN (:text)))) ORDER BY images.id FOR UPDATE;

-- Retry
SELECT images.id,images.status,images.reason FROM `images` WHERE ((images.status IN (:int,:int) OR (images.status = :int AND images.reason IN (:text,:text)))) AND (((images.status = :int AND images.reason NOT IN (:text,:text)))) ORDER BY images.id FOR UPDATE;

-- Retry
SELECT images.id,images.status,images.reason FROM `images` WHERE ((images.status IN (:int,:int) OR (images.status = :int AND images.reason IN (:text,:text)))) AND (images.status = :int AND images.reason NOT IN (:text,:text)) AND ((images.retry_at <= :time OR (images.retry_at IS NULL AND images.rounds = 0 AND images.reason NOT IN (:text,:text)))) AND images.id > :int ORDER BY images.id LIMIT :int FOR UPDATE;

-- Retry
SELECT images.id,images.status,images.reason FROM `images` WHERE ((images.status IN (:int,:int) OR (images.status = :int AND images.reason IN (:text,:text)))) AND (images.status = :int AND images.reason NOT IN (:text,:text)) AND ((images.retry_at <= :time OR (images.retry_at IS NULL AND images.rounds = 0 AND images.reason NOT IN (:text,:text)))) ORDER BY images.id FOR UPDATE;

-- Retry
SELECT images.id,images.status,images.reason FROM `images` WHERE ((images.status IN (:int,:int) OR (images.status = :int AND images.reason IN (:text,:text)))) AND (images.status = :int AND images.reason NOT IN (:text,:text)) AND ((images.retry_at <= :time OR (images.retry_at IS NULL AND images.rounds = 0 AND images.reason NOT IN (:text,:text)))) ORDER BY images.id LIMIT :int FOR UPDATE;

-- Retry
SELECT images.id,images.status,images.reason FROM `images` WHERE ((images.status IN (:int,:int) OR (images.status = :int AND images.reason IN (:text,:text)))) AND INSTR(LOWER(images.path), LOWER(:text)) > 0 ORDER BY images.id FOR UPDATE;

-- Retry
SELECT images.id,images.status,images.reason FROM `images` WHERE ((images.status IN (:int,:int) OR (images.status = :int AND images.reason IN (:text,:text)))) AND images.model = :text AND images.id > :int ORDER BY images.id LIMIT :int FOR UPDATE;

-- Retry
SELECT images.id,images.status,images.reason FROM `images` WHERE ((images.status IN (:int,:int) OR (images.status = :int AND images.reason IN (:text,:text)))) AND images.model = :text ORDER BY images.id FOR UPDATE;

-- Retry
SELECT images.id,images.status,images.reason FROM `images` WHERE ((images.status IN (:int,:int) OR (images.status = :int AND images.reason IN (:text,:text)))) AND images.status = :int AND images.id > :int ORDER BY images.id FOR UPDATE;

-- Retry
SELECT images.id,images.status,images.reason FROM `images` WHERE ((images.status IN (:int,:int) OR (images.status = :int AND images.reason IN (:text,:text)))) AND images.status = :int AND images.id > :int ORDER BY images.id LIMIT :int FOR UPDATE;

-- Retry
SELECT images.id,images.status,images.reason FROM `images` WHERE ((images.status IN (:int,:int) OR (images.status = :int AND images.reason IN (:text,:text)))) AND images.status = :int ORDER BY images.id FOR UPDATE;

-- Retry
SELECT images.id,images.status,images.reason FROM `images` WHERE ((images.status IN (:int,:int) OR (images.status = :int AND images.reason IN (:text,:text)))) AND images.status = :int ORDER BY images.id LIMIT :int FOR UPDATE;

-- Retry
SELECT images.id,images.status,images.reason FROM `images` WHERE images.id IN (:int) AND ((images.status IN (:int,:int) OR (images.status = :int AND images.reason IN (:text,:text)))) AND (((images.status = :int AND images.reason NOT IN (:text)))) ORDER BY images.id FOR UPDATE;

-- Retry
SELECT images.id,images.status,images.reason FROM `images` WHERE images.id IN (:int) AND ((images.status IN (:int,:int) OR (images.status = :int AND images.reason IN (:text,:text)))) ORDER BY images.id FOR UPDATE;

-- Retry
SELECT images.id,images.status,images.reason FROM `images` WHERE images.id IN (:int) AND images.id IN (:int,:int) AND ((images.status IN (:int,:int) OR (images.status = :int AND images.reason IN (:text,:text)))) ORDER BY images.id FOR UPDATE;

-- Retry
SELECT images.id,images.status,images.reason FROM `images` WHERE images.id IN (:int,:int) AND ((images.status IN (:int,:int) OR (images.status = :int AND images.reason IN (:text,:text)))) AND (((images.status = :int AND images.reason = :text))) ORDER BY images.id FOR UPDATE;

-- Retry
SELECT images.id,images.status,images.reason FROM `images` WHERE images.id IN (:int,:int) AND ((images.status IN (:int,:int) OR (images.status = :int AND images.reason IN (:text,:text)))) AND images.id > :int ORDER BY images.id LIMIT :int FOR UPDATE;

-- Retry
SELECT images.id,images.status,images.reason FROM `images` WHERE images.id IN (:int,:int) AND ((images.status IN (:int,:int) OR (images.status = :int AND images.reason IN (:text,:text)))) ORDER BY images.id FOR UPDATE;

-- Retry
UPDATE `images` SET `attempts`=:int,`detail`=:text,`lease_owner`=:text,`lease_token`=:int,`lease_until`=:null,`published_at`=:null,`reason`=:text,`retry_at`=:null,`rounds`=:int,`status`=:int,`trace_context`=:null,`updated_at`=:time WHERE id IN (:int);

-- Retry
UPDATE `images` SET `attempts`=:int,`detail`=:text,`lease_owner`=:text,`lease_token`=:int,`lease_until`=:null,`published_at`=:null,`reason`=:text,`retry_at`=:null,`rounds`=:int,`status`=:int,`trace_context`=:null,`updated_at`=:time WHERE id IN (:int,:int);

-- Retry
UPDATE `images` SET `attempts`=:int,`detail`=:text,`lease_owner`=:text,`lease_token`=:int,`lease_until`=:null,`published_at`=:null,`reason`=:text,`retry_at`=:null,`rounds`=rounds + 1,`status`=:int,`trace_context`=:null,`updated_at`=:time WHERE id IN (:int);

-- Retry
UPDATE `images` SET `attempts`=:int,`detail`=:text,`lease_owner`=:text,`lease_token`=:int,`lease_until`=:null,`published_at`=:null,`reason`=:text,`retry_at`=:null,`rounds`=rounds + 1,`status`=:int,`trace_context`=:null,`updated_at`=:time WHERE id IN (:int,:int);

-- RevokeKey
SELECT * FROM `api_keys` WHERE public_id = :text LIMIT :int FOR UPDATE;

-- RevokeKey
UPDATE `api_keys` SET `revoked_at`=:time WHERE id = :int;

-- RevokeOtherSessions
DELETE FROM `sessions` WHERE user_id = :int AND token_sha256 <> :bytes;

-- RevokeOtherSessions
SELECT `id` FROM `sessions` WHERE user_id = :int AND token_sha256 <> :bytes ORDER BY id;

-- RevokeSession
DELETE FROM `sessions` WHERE id = :int AND user_id = :int;

-- RevokeSession
DELETE FROM `sessions` WHERE id = :int;

-- SampleTotals
INSERT INTO `image_totals` (`minute`,`reason`,`images`) VALUES (:int,:text,:int) ON DUPLICATE KEY UPDATE `minute`=`minute`;

-- SampleTotals
INSERT INTO `image_totals` (`minute`,`reason`,`images`) VALUES (:int,:text,:int),(:int,:text,:int) ON DUPLICATE KEY UPDATE `minute`=`minute`;

-- SampleTotals
SELECT count(*) FROM `image_totals` WHERE minute = :int LIMIT :int;

-- SaveCheckpoint
DELETE FROM `grouping_parts` WHERE model = :text AND checkpoint <> :int;

-- SaveCheckpoint
INSERT INTO `grouping_parts` (`model`,`checkpoint`,`part`,`data`) VALUES (:text,:int,:int,:bytes) ON DUPLICATE KEY UPDATE `data`=VALUES(`data`);

-- SaveCheckpoint
UPDATE `grouping` SET `checkpoint`=:int WHERE model = :text;

-- SaveGrouping
INSERT INTO `grouping` (`model`,`state`,`detail`,`distance`,`faces`,`total`,`group_count`,`checkpoint`,`started_at`,`updated_at`) VALUES (:text,:text,:text,:float,:int,:int,:int,:int,:time,:time) ON DUPLICATE KEY UPDATE `state`=VALUES(`state`),`detail`=VALUES(`detail`),`distance`=VALUES(`distance`),`faces`=VALUES(`faces`),`total`=VALUES(`total`),`group_count`=VALUES(`group_count`),`updated_at`=VALUES(`updated_at`);

-- SelectErasedImages
SELECT `id`,`path` FROM `images` WHERE id IN (:int) ORDER BY id;

-- SelectErasedImages
SELECT `id`,`path` FROM `images` WHERE id IN (:int,:int) ORDER BY id;

-- SelectImages
SELECT images.*, person.name AS person_name FROM images FORCE INDEX (images_status) LEFT JOIN person ON person.id = images.person WHERE images.status = :int AND images.reason = :text ORDER BY images.id;

-- SequenceEvents
DELETE FROM outbox WHERE id IN (:int);

-- SequenceEvents
DELETE FROM outbox WHERE id IN (:int,:int);

-- SequenceEvents
INSERT INTO `events` (`seq`,`type`,`cause`,`created_at`,`image_id`,`reason`,`people`,`person_id`,`other_id`) VALUES (:int,:text,:text,:time,:int,:text,:text,:int,:int),(:int,:text,:text,:time,:int,:text,:text,:int,:int);

-- SequenceEvents
INSERT INTO `events` (`seq`,`type`,`cause`,`created_at`,`image_id`,`reason`,`people`,`person_id`,`other_id`) VALUES (:int,:text,:text,:time,:int,:text,:text,:int,:int);

-- SequenceEvents
SELECT id, type, created_at, image_id, reason, cause, people, person_id, other_id FROM `outbox` ORDER BY id LIMIT :int;

-- SequenceEvents
UPDATE `event_state` SET `last_seq`=:int WHERE id = 1;

-- SequenceEvents, SweepEvents
SELECT * FROM `event_state` WHERE id = 1 LIMIT :int FOR UPDATE;

-- Session
SELECT sessions.*, users.name AS user_name, users.role AS user_role, users.created_at AS user_created, users.updated_at AS user_updated FROM `sessions` JOIN users ON users.id = sessions.user_id WHERE sessions.expires_at > :time AND sessions.token_sha256 = :bytes LIMIT :int;

-- Sessions
SELECT sessions.*, users.name AS user_name, users.role AS user_role, users.created_at AS user_created, users.updated_at AS user_updated FROM `sessions` JOIN users ON users.id = sessions.user_id WHERE sessions.expires_at > :time AND sessions.user_id = :int ORDER BY sessions.seen_at DESC, sessions.id DESC LIMIT :int;

-- Sessions
SELECT sessions.*, users.name AS user_name, users.role AS user_role, users.created_at AS user_created, users.updated_at AS user_updated FROM `sessions` JOIN users ON users.id = sessions.user_id WHERE sessions.expires_at > :time ORDER BY sessions.seen_at DESC, sessions.id DESC LIMIT :int;

-- SetPassword, UseCode
INSERT INTO `user_passwords` (`user_id`,`hash`,`updated_at`) VALUES (:int,:text,:time) ON DUPLICATE KEY UPDATE `hash`=VALUES(`hash`),`updated_at`=VALUES(`updated_at`);

-- SetRetention
UPDATE `retention` SET `rules`=:text WHERE id = 1;

-- SetUser
INSERT INTO `users` (`name`,`role`,`created_at`,`updated_at`) VALUES (:text,:text,:time,:time) ON DUPLICATE KEY UPDATE `role`=VALUES(`role`),`updated_at`=VALUES(`updated_at`);

-- SettleCorrections
UPDATE `corrections` SET `pending`=:int WHERE id = :int AND changed_at = :time;

-- SplitGroup
INSERT INTO `face_apart` (`face_a`,`face_b`,`model`,`created_at`) VALUES (:int,:int,:text,:time),(:int,:int,:text,:time);

-- SplitGroup
INSERT INTO `face_apart` (`face_a`,`face_b`,`model`,`created_at`) VALUES (:int,:int,:text,:time);

-- SplitGroup
SELECT count(*) FROM `group_changes` WHERE says = :text AND created_at = :time;

-- StepRematch
INSERT INTO `rematch_changes` (`rematch_id`,`image_id`,`state`,`visible`,`from_reason`,`from_person`,`to_reason`,`to_person`,`before_change`,`after_change`) VALUES (:int,:int,:text,:int,:text,:int,:text,:int,:text,:text),(:int,:int,:text,:int,:text,:int,:text,:int,:text,:text);

-- StepRematch
INSERT INTO `rematch_changes` (`rematch_id`,`image_id`,`state`,`visible`,`from_reason`,`from_person`,`to_reason`,`to_person`,`before_change`,`after_change`) VALUES (:int,:int,:text,:int,:text,:int,:text,:int,:text,:text);

-- StepRematch
SELECT * FROM `rematch_changes` WHERE rematch_id = :int AND image_id IN (:int);

-- StepRematch
SELECT * FROM `rematch_changes` WHERE rematch_id = :int AND image_id IN (:int,:int);

-- StepRematch
UPDATE `faces` SET `gallery`=:text WHERE id IN (:int);

-- StepRematch
UPDATE `rematches` SET `faces`=faces + :int,`images`=images + :int,`seek`=:int,`skipped`=skipped + :int WHERE id = :int;

-- StoredDescriptors
SELECT id, descriptor, descriptor_rest FROM faces WHERE model = :text AND id > :int AND id <= :int AND LENGTH(descriptor) + LENGTH(descriptor_rest) = :int ORDER BY id LIMIT :int;

-- StoredFace
SELECT faces.*, best.name AS best_name, second.name AS second_name FROM `faces` LEFT JOIN person AS best ON best.id = faces.best_person_id LEFT JOIN person AS second ON second.id = faces.second_person_id WHERE faces.id IN (:int);

-- SummarizeFaces
SELECT id, SUBSTR(descriptor, 1, 16) FROM faces WHERE model = :text AND id > :int AND id <= :int AND LENGTH(descriptor) + LENGTH(descriptor_rest) = :int ORDER BY id LIMIT :int;

-- SweepConsents
SELECT * FROM `consents` WHERE EXISTS (SELECT 1 FROM person WHERE person.id = consents.person_id) AND (withdrawn_at IS NULL AND (told <> :text AND until_at <= :time OR told = :text AND from_at <= :time AND (until_at IS NULL OR until_at > :time))) ORDER BY person_id LIMIT :int;

-- SweepConsents
SELECT DISTINCT `image_id` FROM `faces` WHERE best_person_id = :int AND corrected <> :int LIMIT :int;

-- SweepConsents
SELECT DISTINCT `image_id` FROM `faces` WHERE second_person_id = :int AND (best_person_id <> second_person_id OR corrected <> :int) LIMIT :int;

-- SweepConsents
SELECT `id` FROM `person` WHERE NOT EXISTS (SELECT 1 FROM consents WHERE consents.person_id = person.id) AND (EXISTS (SELECT 1 FROM faces WHERE faces.best_person_id = person.id AND faces.corrected <> :int)) ORDER BY id LIMIT :int;

-- SweepConsents
SELECT `id` FROM `person` WHERE id IN (:int) AND (NOT (EXISTS (SELECT 1 FROM consents WHERE consents.person_id = person.id AND consents.withdrawn_at IS NULL AND consents.from_at <= :time AND (consents.until_at IS NULL OR consents.until_at > :time))));

-- SweepConsents
SELECT `person_id` FROM `consents` WHERE (swept = :int AND changed_at <= :time AND NOT (consents.withdrawn_at IS NULL AND consents.from_at <= :time AND (consents.until_at IS NULL OR consents.until_at > :time))) AND EXISTS (SELECT 1 FROM person WHERE person.id = consents.person_id) AND ((withdrawn_at IS NOT NULL OR until_at IS NULL OR until_at > :time OR until_at <= :time)) ORDER BY person_id LIMIT :int;

-- SweepConsents
UPDATE `consents` SET `swept`=:int WHERE person_id = :int AND changed_at = :time;

-- SweepConsents
UPDATE `consents` SET `told`=:text WHERE person_id = :int AND changed_at = :time;

-- SweepConsents
UPDATE `faces` SET `best_distance`=:float,`best_parts`=:text,`best_person_id`=:int,`matched_image`=:text,`reason`=:text,`second_distance`=:float,`second_image`=:text,`second_parts`=:text,`second_person_id`=:int WHERE id = :int;

-- SweepErasedPlaces
DELETE FROM `corrections` WHERE id IN (:int);

-- SweepErasedPlaces
SELECT * FROM `erased_places` WHERE path_mark IN (:bytes,:bytes) ORDER BY id;

-- SweepErasedPlaces
SELECT `corrections`.`id`,`corrections`.`image_id`,`corrections`.`x`,`corrections`.`y`,`corrections`.`width`,`corrections`.`height`,`corrections`.`descriptor`,`corrections`.`model`,`corrections`.`person_id`,`corrections`.`excludes`,`corrections`.`candidates`,`corrections`.`created_at`,`corrections`.`undone_at`,`corrections`.`changed_at`,`corrections`.`pending`,`corrections`.`descriptor_rest`,`corrections`.`kind`,`corrections`.`describe_at`,`corrections`.`group_change_id` FROM `corrections` WHERE image_id = :int;

-- SweepErasedPlaces
SELECT `id`,`path`,`file_sha256`,`status`,`reason` FROM `images` WHERE id > :int ORDER BY id LIMIT :int;

-- SweepEvents
DELETE FROM `events` WHERE seq <= :int;

-- SweepEvents
SELECT `seq` FROM `events` WHERE seq <= :int AND created_at >= :time ORDER BY seq LIMIT :int;

-- SweepEvents
UPDATE `event_state` SET `swept_seq`=:int WHERE id = 1;

-- SweepOperations
DELETE FROM `image_totals` WHERE minute < :int;

-- SweepOperations
DELETE FROM `outcome_minutes` WHERE minute < :int;

-- SweepOperations
DELETE FROM `program_states` WHERE seen_at < :time AND instance <> '';

-- SweepSignIn
DELETE FROM `sessions` WHERE expires_at <= :time;

-- SyncKnownImages
DELETE FROM `person_images` WHERE id = :int;

-- SyncKnownImages
INSERT INTO `person_images` (`image_name`,`person_id`,`source`,`face_id`,`sha256`,`added_at`,`public_id`) VALUES (:text,:int,:text,:int,:text,:null,:text),(:text,:int,:text,:int,:text,:null,:text);

-- SyncKnownImages
SELECT * FROM `person_images` WHERE image_name IS NOT NULL ORDER BY id;

-- SyncKnownImages
UPDATE `person_images` SET `person_id`=:int WHERE id = :int;

-- Tables
SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' ORDER BY table_name;

-- TakeRescanImages
SELECT `id` FROM `images` WHERE ((status = :int OR (status = :int AND reason IN (:text,:text)) OR (status = :int AND reason IN (:text,:text)))) AND id < :int ORDER BY id DESC LIMIT :int;

-- TakeRescanImages
SELECT `id` FROM `images` WHERE ((status = :int OR (status = :int AND reason IN (:text,:text)) OR (status = :int AND reason IN (:text,:text)))) AND model <> :text AND id < :int ORDER BY id DESC LIMIT :int;

-- TakeRescanImages
UPDATE `rescans` SET `seek`=:int WHERE id = :int;

-- TotalBuckets
SELECT minute - (minute % :int) AS `from`, reason, MAX(images) AS images FROM `image_totals` WHERE minute >= :int GROUP BY 1, 2 ORDER BY 1, 2;

-- TouchKeys
UPDATE `api_keys` SET `last_used_at`=:time WHERE public_id = :text AND (last_used_at IS NULL OR last_used_at < :time);

-- TouchedFaces
SELECT `id` FROM `faces` WHERE (best_person_id = :int AND matched_image IN (:text)) AND model = :text;

-- TouchedFaces
SELECT `id` FROM `faces` WHERE (second_person_id = :int AND second_image IN (:text)) AND model = :text;

-- UndoApplied
UPDATE `rematch_changes` SET `state`=:text WHERE rematch_id = :int AND image_id IN (:int,:int);

-- UndoCorrection
SELECT corrections.*, COALESCE(person.name, '') AS person_name FROM `corrections` LEFT JOIN person ON person.id = corrections.person_id WHERE ((person.id IS NOT NULL OR corrections.kind <> '')) AND corrections.id = :int LIMIT :int;

-- UndoCorrection
UPDATE `corrections` SET `changed_at`=:time,`pending`=:int,`undone_at`=:time WHERE id = :int AND undone_at IS NULL;

-- UndoGroupChange
SELECT * FROM `group_changes` WHERE id = :int LIMIT :int FOR UPDATE;

-- UndoGroupChange
SELECT * FROM `person_images` WHERE source = :text AND face_id IN (:int,:int) AND added_at >= :time AND person_id = :int ORDER BY id;

-- UndoGroupChange
SELECT * FROM `person` WHERE id = :int AND NOT EXISTS (SELECT 1 FROM person_images WHERE person_images.person_id = person.id) LIMIT :int;

-- UndoGroupChange
SELECT DISTINCT `image_id` FROM `corrections` WHERE group_change_id = :int AND undone_at IS NULL ORDER BY image_id;

-- UndoGroupChange
SELECT `id` FROM `corrections` WHERE person_id = :int AND excludes = :int AND undone_at IS NULL LIMIT :int;

-- UndoGroupChange
UPDATE `corrections` SET `changed_at`=:time,`pending`=:int,`undone_at`=:time WHERE group_change_id = :int AND undone_at IS NULL AND image_id IN (:int,:int);

-- UndoGroupChange
UPDATE `face_apart` SET `undone_at`=:time WHERE (created_at = :time AND undone_at IS NULL) AND (((face_a = :int AND face_b IN (:int)) OR (face_b = :int AND face_a IN (:int))));

-- UndoGroupChange
UPDATE `face_apart` SET `undone_at`=:time WHERE (created_at = :time AND undone_at IS NULL) AND (((face_a = :int AND face_b IN (:int,:int)) OR (face_b = :int AND face_a IN (:int,:int))));

-- UndoGroupChange
UPDATE `face_apart` SET `undone_at`=:time WHERE created_at = :time AND undone_at IS NULL;

-- UndoGroupChange
UPDATE `group_changes` SET `undone_at`=:time WHERE id = :int;

-- UndoMerge
INSERT INTO `person` (`name`,`hidden`,`cover_id`,`version`,`id`) VALUES (:text,:int,:int,:int,:int);

-- UndoMerge
SELECT * FROM `merges` WHERE id = :int LIMIT :int;

-- UndoMerge
SELECT DISTINCT `faces`.`image_id` FROM faces FORCE INDEX (faces_best_person) STRAIGHT_JOIN images ON images.id = faces.image_id WHERE faces.best_person_id IN (:int,:int) AND (images.status = :int AND images.reason = :text);

-- UndoMerge
SELECT DISTINCT `image_id` FROM `faces` WHERE image_id IN (:int) AND best_person_id = :int ORDER BY image_id;

-- UndoMerge
SELECT DISTINCT `image_id` FROM `faces` WHERE image_id IN (:int,:int) AND best_person_id = :int ORDER BY image_id;

-- UndoMerge
UPDATE `consents` SET `changed_at`=:time,`swept`=:int WHERE person_id IN (:int,:int);

-- UndoMerge
UPDATE `faces` SET `best_person_id`=:int WHERE image_id IN (:int) AND best_person_id = :int AND matched_image IN (SELECT `image_name` FROM `person_images` WHERE id IN (:int) AND person_id = :int);

-- UndoMerge
UPDATE `faces` SET `best_person_id`=:int WHERE image_id IN (:int,:int) AND best_person_id = :int AND matched_image IN (SELECT `image_name` FROM `person_images` WHERE id IN (:int) AND person_id = :int);

-- UndoMerge
UPDATE `faces` SET `best_person_id`=:int WHERE image_id IN (:int,:int) AND best_person_id = :int AND matched_image IN (SELECT `image_name` FROM `person_images` WHERE id IN (:int,:int) AND person_id = :int);

-- UndoMerge
UPDATE `faces` SET `second_person_id`=:int WHERE second_person_id = :int AND second_image IN (SELECT `image_name` FROM `person_images` WHERE id IN (:int) AND person_id = :int);

-- UndoMerge
UPDATE `faces` SET `second_person_id`=:int WHERE second_person_id = :int AND second_image IN (SELECT `image_name` FROM `person_images` WHERE id IN (:int,:int) AND person_id = :int);

-- UndoMerge
UPDATE `images` SET `person`=COALESCE((SELECT best_person_id FROM faces WHERE faces.image_id = images.id AND faces.reason = :text ORDER BY CASE WHEN faces.corrected = :int THEN 0 ELSE 1 END, faces.best_distance, faces.position LIMIT 1), -1) WHERE images.id IN (:int) AND images.person = :int;

-- UndoMerge
UPDATE `images` SET `person`=COALESCE((SELECT best_person_id FROM faces WHERE faces.image_id = images.id AND faces.reason = :text ORDER BY CASE WHEN faces.corrected = :int THEN 0 ELSE 1 END, faces.best_distance, faces.position LIMIT 1), -1) WHERE images.id IN (:int,:int) AND images.person = :int;

-- UndoMerge
UPDATE `merges` SET `undone_at`=:time WHERE id = :int;

-- Unpublished
SELECT `id` FROM `images` WHERE (((images.status = :int AND images.reason NOT IN (:text,:text)))) AND (published_at IS NULL AND id > :int) AND updated_at <= :time ORDER BY id LIMIT :int;

-- UseCode
DELETE FROM `sign_in_codes` WHERE kind = :text AND (user_id = :int OR user_id = 0);

-- UseCode
SELECT * FROM `sign_in_codes` WHERE code_sha256 = :bytes AND kind = :text AND expires_at > :time LIMIT :int FOR UPDATE;

-- Users
SELECT * FROM `users` ORDER BY id DESC LIMIT :int;

-- WasNamed
SELECT count(*) FROM `person_folders` WHERE person_id = :int AND name = :text;

-- Withheld
SELECT `id` FROM `person` WHERE (NOT (EXISTS (SELECT 1 FROM consents WHERE consents.person_id = person.id AND consents.withdrawn_at IS NULL AND consents.from_at <= :time AND (consents.until_at IS NULL OR consents.until_at > :time)))) AND EXISTS (SELECT 1 FROM person_images WHERE person_images.person_id = person.id);

-- Withheld
SELECT `id` FROM `person` WHERE (NOT (NOT EXISTS (SELECT 1 FROM consents WHERE consents.person_id = person.id AND NOT (consents.withdrawn_at IS NULL AND consents.from_at <= :time AND (consents.until_at IS NULL OR consents.until_at > :time))))) AND EXISTS (SELECT 1 FROM person_images WHERE person_images.person_id = person.id);
