/** The webcam. */

export interface Camera {
  /** Whether it looks at the person, and is shown as in a mirror. */
  readonly facesUser: boolean;
  close(): void;
}

/**
 * Starts the camera in a video element.
 * @param ended told when it stops by itself, as when it is unplugged
 * @throws {DOMException} as getUserMedia does
 */
export async function openCamera(video: HTMLVideoElement, ended: () => void): Promise<Camera> {
  const stream = await navigator.mediaDevices.getUserMedia({
    audio: false,
    video: { facingMode: "user", width: { ideal: 1280 }, height: { ideal: 720 } },
  });
  const [track] = stream.getVideoTracks();
  let open = true;
  const close = () => {
    open = false;
    stream.getTracks().forEach((track) => track.stop());
    video.srcObject = null;
  };
  track.addEventListener("ended", () => {
    if (!open) return;
    close();
    ended();
  });
  video.srcObject = stream;
  try {
    await video.play();
  } catch (error) {
    close();
    throw error;
  }
  return { facesUser: track.getSettings().facingMode !== "environment", close };
}
