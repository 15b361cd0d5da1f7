// The camera: faces are followed from frame to frame, and their numbers averaged.
const LONGEST = 640; // pixels of a frame's longer side
const IN_FLIGHT = 2; // one frame is on its way while another is predicted
const REMEMBERED = 20; // frames that an average is over
const MOST_AHEAD = 400; // milliseconds that a box moves on without an answer
const MISSED = 3; // frames without a face, and
const MISSING = 600; // milliseconds, before its box goes
let camera = null;

/** Intersection over union of two boxes. */
function overlap([x, y, w, h], [x2, y2, w2, h2]) {
  const wide = Math.min(x + w, x2 + w2) - Math.max(x, x2);
  const high = Math.min(y + h, y2 + h2) - Math.max(y, y2);
  const both = Math.max(wide, 0) * Math.max(high, 0);
  return both / (w * h + w2 * h2 - both);
}

/** Gives the faces of a frame to tracks, the best overlaps first, and returns the tracks that go on. */
function follow(tracks, faces, time) {
  const pairs = tracks.flatMap((track) => faces.map((face) => ({ track, face, by: overlap(track.box, face.box) })));
  const used = new Set();
  tracks.forEach((track) => { track.missed += 1; });
  for (const { track, face, by } of pairs.sort((a, b) => b.by - a.by)) {
    if (by < 0.2 || used.has(track) || used.has(face)) continue;
    used.add(track).add(face);
    average(track, face, time);
  }
  const fresh = faces.filter((face) => !used.has(face));
  const goesOn = (track) => track.missed <= MISSED || time - track.time <= MISSING;
  return [...tracks.filter(goesOn), ...fresh.map((face) => average({ frames: 0, speed: [0, 0] }, face, time))];
}

/** Adds a face of a frame to a track: its numbers are averaged, its box and speed follow quickly. */
function average(track, face, time) {
  const frames = Math.min(track.frames + 1, REMEMBERED);
  const mean = (old, now, share = 1 / frames) => (frames === 1 ? now : old + share * (now - old));
  if (frames > 1) {
    const passed = Math.max(time - track.time, 1);
    const speed = [0, 1].map((axis) => (face.box[axis] + face.box[axis + 2] / 2 - track.middle[axis]) / passed);
    track.speed = track.speed.map((old, axis) => mean(old, speed[axis], 0.4));
  }
  track.middle = [face.box[0] + face.box[2] / 2, face.box[1] + face.box[3] / 2];
  const size = [2, 3].map((side) => mean(track.box?.[side], face.box[side], 0.4));
  track.box = [...track.middle.map((middle, axis) => middle - size[axis] / 2), ...size];
  track.age_range = face.age_range.map((now, side) => mean(track.age_range?.[side], now));
  track.age = mean(track.age, face.age);
  track.female = mean(track.female, face.female);
  track.gender = track.female > 0.5 ? "female" : "male";
  return Object.assign(track, { frames, time, missed: 0 });
}

async function start() {
  if (!navigator.mediaDevices) return say("Browsers open the camera only at localhost and at https addresses.");
  const own = { tracks: [], sent: 0, shown: 0, times: [] };
  camera = own;
  at("camera").disabled = true;
  try {
    const video = { width: { ideal: 640 }, height: { ideal: 480 }, facingMode: "user" };
    own.stream = await navigator.mediaDevices.getUserMedia({ video });
    at("video").srcObject = own.stream;
    at("live").hidden = false;
    await at("video").play();
  } catch (error) {
    stop();
    return say(`The camera can't be opened: ${error.message}`);
  } finally {
    at("camera").disabled = false;
  }
  const [track] = own.stream.getVideoTracks();
  track.onended = stop;
  own.mirrored = track.getSettings().facingMode === "user"; // as one knows oneself
  at("live").querySelector(".view").classList.toggle("mirrored", own.mirrored);
  at("camera").textContent = "Stop the camera";
  at("camera").setAttribute("aria-pressed", "true");
  say("");
  draw(own);
  for (let n = 0; n < IN_FLIGHT; n += 1) watch(own);
}

function stop() {
  camera?.stream?.getTracks().forEach((track) => track.stop());
  camera = null;
  at("live").hidden = true;
  at("tracks").replaceChildren();
  at("camera").textContent = "Start the camera";
  at("camera").setAttribute("aria-pressed", "false");
}

/** Sends frames as fast as answers come. */
async function watch(own) {
  const canvas = element("canvas");
  while (camera === own) {
    const frame = await grab(canvas);
    const number = (own.sent += 1);
    const begin = performance.now();
    const answer = await predict(frame);
    if (camera !== own) return;
    if (answer.error) {
      say(answer.error);
      await pause(1);
    } else if (number > own.shown) {
      own.shown = number; // an answer that was overtaken is not shown
      own.tracks = follow(own.tracks, answer.faces, begin);
      own.size = [answer.width, answer.height];
      tell(own, performance.now() - begin);
    }
  }
}

/** The next frame of the video as JPEG. */
async function grab(canvas) {
  const video = at("video");
  await new Promise((done) => video.requestVideoFrameCallback?.(done) ?? requestAnimationFrame(done));
  const scale = Math.min(1, LONGEST / Math.max(video.videoWidth, video.videoHeight));
  canvas.width = Math.round(scale * video.videoWidth);
  canvas.height = Math.round(scale * video.videoHeight);
  canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
  return new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.9));
}

/** Draws the boxes where the faces are by now: an answer is about a frame of the past. */
function draw(own) {
  if (camera !== own) return;
  requestAnimationFrame(() => draw(own));
  const boxes = own.tracks.map((track) => {
    const passed = Math.min(performance.now() - track.time, MOST_AHEAD);
    const [x, y, ...size] = track.box;
    const ahead = [x + passed * track.speed[0], y + passed * track.speed[1], ...size];
    track.element ??= box(track, ...own.size);
    place(track.element, { ...track, box: ahead }, ...own.size, own.mirrored);
    return track.element;
  });
  const shown = [...at("tracks").children];
  if (boxes.some((made, n) => made !== shown[n]) || boxes.length !== shown.length) at("tracks").replaceChildren(...boxes);
}

function tell(own, milliseconds) {
  const now = performance.now();
  own.times = [...own.times.filter((time) => now - time < 2000), now];
  const rate = (1000 * (own.times.length - 1)) / Math.max(now - own.times[0], 1);
  at("rate").textContent = `${rate.toFixed(1)} frames per second, ${Math.round(milliseconds)} ms each`;
}

at("camera").onclick = () => (camera ? stop() : start());
addEventListener("keydown", (event) => event.key === "Escape" && camera && stop());
