// Opens files as ImageJ does and prints what it makes of them, a line of "key=value" each.
import ij.CompositeImage;
import ij.IJ;
import ij.ImagePlus;
import ij.measure.Calibration;
import ij.process.ImageProcessor;
import ij.process.LUT;

public class Describe {
    public static void main(String[] paths) {
        for (String path : paths) {
            ImagePlus image = IJ.openImage(path);
            if (image == null) {
                System.out.println("opened=false");
                continue;
            }
            Calibration scale = image.getCalibration();
            StringBuilder said = new StringBuilder("opened=true");
            said.append(" channels=").append(image.getNChannels());
            said.append(" slices=").append(image.getNSlices());
            said.append(" frames=").append(image.getNFrames());
            said.append(" bits=").append(image.getBitDepth());
            said.append(" mode=").append(image.isComposite() ? ((CompositeImage) image).getModeAsString() : "single");
            said.append(" pixel=").append(scale.pixelWidth).append(" step=").append(scale.pixelDepth);
            said.append(" unit=").append(scale.getUnit()).append(" interval=").append(scale.frameInterval);
            said.append(" x=").append(scale.getX(0)).append(" y=").append(scale.getY(0));
            for (int c = 1; image.isComposite() && c <= image.getNChannels(); c++) {
                LUT table = ((CompositeImage) image).getChannelLut(c);
                said.append(" min").append(c).append("=").append(table.min).append(" max").append(c).append("=");
                said.append(table.max).append(" color").append(c).append("=");
                said.append(String.format("#%02x%02x%02x", table.getRed(255), table.getGreen(255), table.getBlue(255)));
            }
            double sum = 0;
            for (int i = 1; i <= image.getStackSize(); i++) {
                ImageProcessor plane = image.getStack().getProcessor(i);
                for (int y = 0; y < plane.getHeight(); y++) {
                    for (int x = 0; x < plane.getWidth(); x++) {
                        sum += plane.getf(x, y) * ((x + 3 * y + 7 * (i - 1)) % 11);
                    }
                }
            }
            said.append(" sum=").append(sum).append(" label=").append(image.getStack().getShortSliceLabel(1));
            System.out.println(said);
        }
        System.exit(0);
    }
}
