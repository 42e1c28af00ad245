// Where the still comes from: a file, a drop, or a camera of this computer. Nothing of it is kept or sent.

class Stills {
  /** *take* gets an address within this page and the size; *say* gets sentences. */
  constructor(take, say) {
    this.take = take;
    this.say = say;
    this.stream = null;
    this.url = "";
    $("file").addEventListener("change", (event) => this.file(event.target.files[0]));
    for (const name of ["dragover", "dragleave", "drop"]) $("drop").addEventListener(name, (event) => this.dropped(event));
    $("usb").addEventListener("click", () => this.plug());
    $("lens").addEventListener("change", () => this.plug($("lens").value));
    $("snap").addEventListener("click", () => this.snap());
    $("unplug").addEventListener("click", () => this.unplug());
  }

  dropped(event) {
    event.preventDefault();
    $("drop").classList.toggle("over", event.type === "dragover");
    if (event.type === "drop") this.file(event.dataTransfer.files[0]);
  }

  file(file) {
    if (!file) return;
    const url = URL.createObjectURL(file);
    const image = new Image();
    image.onload = () => this.show(url, image.naturalWidth, image.naturalHeight);
    image.onerror = () => {
      URL.revokeObjectURL(url);
      this.say(`${file.name} is no picture that this browser can read; save a JPEG or a PNG.`);
    };
    image.src = url;
  }

  show(url, width, height) {
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = url;
    this.take(url, [width, height]);
  }

  async plug(lens = "") {
    this.unplug();
    if (!navigator.mediaDevices) {
      this.say("This browser lends no camera to a page from a file; take a picture with another program and open it.");
      return;
    }
    try {
      const wish = lens ? { deviceId: { exact: lens } } : { width: { ideal: 4096 } };
      this.stream = await navigator.mediaDevices.getUserMedia({ video: wish, audio: false });
    } catch (error) {
      this.say(`No camera of this computer can be used: ${error.message}.`);
      return;
    }
    $("preview").srcObject = this.stream;
    $("live").hidden = false;
    await $("preview").play();
    const seen = (await navigator.mediaDevices.enumerateDevices()).filter((one) => one.kind === "videoinput");
    const now = this.stream?.getVideoTracks()[0].getSettings().deviceId;
    $("lens").replaceChildren(...seen.map((one, n) => new Option(one.label || `camera ${n + 1}`, one.deviceId, false, one.deviceId === now)));
  }

  snap() {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [$("preview").videoWidth, $("preview").videoHeight];
    canvas.getContext("2d").drawImage($("preview"), 0, 0);
    canvas.toBlob((blob) => {
      this.show(URL.createObjectURL(blob), canvas.width, canvas.height);
      this.unplug();
    });
  }

  unplug() {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = $("preview").srcObject = null;
    $("live").hidden = true;
  }
}
