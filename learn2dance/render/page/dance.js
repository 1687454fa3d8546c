// The data of the page: dances, and their poses at any time.

const MISSING = -32768; // the quantised coordinate of a joint that is not known

/** Decode base64 to bytes. */
export function bytesOf(text) {
  return Uint8Array.from(atob(text.trim()), (character) => character.charCodeAt(0));
}

/** Decompress zlib data. */
async function inflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Read the page's data: a JSON header, and after it the poses as int16 differences from frame to frame. */
export async function loadPage() {
  if (!window.DecompressionStream) {
    document.getElementById("message").textContent = "This page needs a newer browser.";
  }
  const element = document.getElementById("data");
  const bytes = await inflate(bytesOf(element.textContent));
  let start = Number(element.dataset.header);
  const page = JSON.parse(new TextDecoder().decode(bytes.subarray(0, start)));
  for (const dance of page.dances) {
    const width = 2 * dance.joints.length;
    const end = start + 2 * width * dance.frames;
    dance.poses = new Int16Array(bytes.slice(start, end).buffer);
    for (let i = width; i < dance.poses.length; i++) {
      dance.poses[i] += dance.poses[i - width]; // wraps at 16 bits, as the differences did
    }
    start = end;
  }
  return page;
}

/** Return the pose at a frame, which may lie between two: x and y of each joint, NaN where it is not known. */
export function poseAt(dance, frame) {
  const width = 2 * dance.joints.length;
  const at = Math.min(Math.max(frame, 0), dance.frames - 1);
  const first = Math.floor(at);
  const second = Math.min(first + 1, dance.frames - 1);
  const part = at - first;
  const pose = new Float64Array(width);
  for (let i = 0; i < width; i++) {
    const before = dance.poses[first * width + i];
    const after = dance.poses[second * width + i];
    let value = before + (after - before) * part;
    if (before === MISSING || after === MISSING) {
      value = part < 0.5 ? before : after;
    }
    pose[i] = value === MISSING ? Number.NaN : dance.middle[i % 2] + dance.step * value;
  }
  return pose;
}
