// drive.mjs PORT KEY: the published JavaScript SDK against a running standalone. The
// working directory has the sample pictures. The SDK's objects keep the address of
// their last call, so each call has a new one.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { CompreFace } from '@exadel/compreface-js-sdk';

const [port, key] = process.argv.slice(2);
console.log = () => {}; // the SDK prints keys
const connect = (options) => new CompreFace('http://127.0.0.1', port, options);
const recognition = connect({}).initFaceRecognitionService(key);
const faces = () => recognition.getFaceCollection();
const subjects = () => recognition.getSubjects();
const until = async (what, ok) => {
  for (const end = Date.now() + 120_000; Date.now() < end; ) {
    if (await ok()) return;
    await new Promise((wake) => setTimeout(wake, 200));
  }
  assert.fail(`waited in vain: ${what}`);
};
const failsWith = (code, message) => (error) => {
  assert.equal(error.response?.data?.code, code, JSON.stringify(error.response?.data ?? error.message));
  if (message) assert.equal(error.response.data.message, message);
  return true;
};

// Recognize: a known person, with all parameters; then two question marks.
const plugins = { prediction_count: 2, face_plugins: 'calculator,landmarks,age', status: 'true' };
const known = await recognition.recognize('./unknown/unknown0001.jpg', plugins);
assert.equal(known.result.length, 1);
assert.equal(known.result[0].subjects[0].subject, 'Ada');
assert.ok(known.result[0].subjects[0].similarity >= 0.5);
assert.equal(known.result[0].subjects.length, 2);
assert.ok(known.result[0].subjects[1].similarity < 0.5);
assert.ok(known.result[0].embedding.length > 100);
assert.equal(known.result[0].landmarks.length, 5);
assert.ok(known.plugins_versions.calculator);
const strict = connect({ det_prob_threshold: 0.2, status: 'true' });
assert.equal((await strict.initFaceRecognitionService(key).recognize('./unknown/unknown0002.jpg', {})).result[0].subjects[0].subject, 'Bruno');
const stranger = await recognition.recognize('./unknown/unknown0003.jpg', {});
assert.equal(stranger.result[0].subjects.length, 1);
assert.ok(stranger.result[0].subjects[0].similarity < 0.5);
const base64 = fs.readFileSync('./unknown/unknown0001.jpg').toString('base64');
assert.equal((await recognition.recognize(base64, {})).result[0].subjects[0].subject, 'Ada');
await assert.rejects(recognition.recognize('./unknown/unknown0006.jpg', {}), failsWith(28, 'No face is found in the given image'));
await assert.rejects(connect({}).initFaceRecognitionService('wrong').recognize('./unknown/unknown0001.jpg', {}), failsWith(10));

// Detect and verify.
const detection = strict.initFaceDetectionService(key);
const detected = await detection.detect('./unknown/unknown0001.jpg', { limit: 1 });
assert.equal(detected.result.length, 1);
assert.equal(detected.result[0].landmarks, undefined);
assert.ok(detected.result[0].box.x_max > detected.result[0].box.x_min);
const verification = connect({}).initFaceVerificationService(key);
const same = await verification.verify('./known/Ada/1.jpg', './known/Ada/2.jpg', {});
assert.ok(same.result[0].face_matches[0].similarity >= 0.5);
assert.ok(same.result[0].source_image_face.box.probability > 0);
const others = await verification.verify('./known/Ada/1.jpg', './known/Bruno/1.jpg', { limit: 1 });
assert.ok(others.result[0].face_matches[0].similarity < 0.5);

// Subjects and their faces.
const before = (await subjects().list()).subjects;
assert.ok(before.includes('Ada') && before.includes('Otto'));
assert.deepEqual(await subjects().add('Nadia'), { subject: 'Nadia' });
await assert.rejects(subjects().add('Nadia'), failsWith(43));
const added = await faces().add('./unknown/unknown0003.jpg', 'Nadia', { det_prob_threshold: 0.5 });
assert.match(added.image_id, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
assert.equal(added.subject, 'Nadia');
await until('Nadia is recognized', async () => (await recognition.recognize('./unknown/unknown0003.jpg', {})).result[0].subjects[0].subject === 'Nadia');
const matched = await faces().verify('./unknown/unknown0003.jpg', added.image_id, { limit: 0, status: 'true' });
assert.ok(matched.result[0].similarity > 0.9);
const listed = (await faces().list()).faces;
assert.ok(listed.some((f) => f.image_id === added.image_id && f.subject === 'Nadia'));
await assert.rejects(faces().add('./unknown/unknown0006.jpg', 'Eve', {}), failsWith(28));
assert.deepEqual(await subjects().rename('Nadia', 'Nadia-B'), { updated: true });
assert.deepEqual(await faces().delete(added.image_id), { image_id: added.image_id, subject: 'Nadia-B' });
const again = await faces().add('./unknown/unknown0003.jpg', 'Nadia-B', {});
const gone = await faces().delete_multiple_images([again.image_id, added.image_id]);
assert.deepEqual(gone, [{ image_id: again.image_id, subject: 'Nadia-B' }]);
assert.deepEqual(await faces().delete_all_subject('Nadia-B'), { deleted: 0 });
assert.deepEqual(await subjects().delete('Nadia-B'), { subject: 'Nadia-B' });
await assert.rejects(subjects().delete('Nadia-B'), failsWith(42));
assert.deepEqual((await subjects().list()).subjects, before);
process.stdout.write('every call was answered\n');
